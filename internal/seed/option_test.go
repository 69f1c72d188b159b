package seed_test

import (
	"testing"
	"time"

	"github.com/delfos/delfos/internal/seed"
)

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	valid := day("2025-01-01T00:00:00Z")
	for name, tt := range map[string]struct {
		opts seed.Options
		want string
	}{
		"smallest":    {seed.Options{Start: day("1900-01-01T00:00:00Z"), Days: 1, Turbines: 1}, ""},
		"largest":     {seed.Options{Start: day("2000-01-01T00:00:00Z"), Days: 36_600, Turbines: 100_000}, ""},
		"last day":    {seed.Options{Start: day("2199-12-31T00:00:00Z"), Days: 1, Turbines: 1}, ""},
		"other zone":  {seed.Options{Start: day("2025-01-01T02:00:00+02:00"), Days: 1, Turbines: 1}, ""},
		"no days":     {seed.Options{Start: valid, Days: 0, Turbines: 1}, "days: 0 is not from 1 to 36600"},
		"many days":   {seed.Options{Start: valid, Days: 36_601, Turbines: 1}, "days: 36601 is not from 1 to 36600"},
		"no turbines": {seed.Options{Start: valid, Days: 1, Turbines: -1}, "turbines: -1 is not from 1 to 100000"},
		"many turbines": {
			seed.Options{Start: valid, Days: 1, Turbines: 100_001}, "turbines: 100001 is not from 1 to 100000",
		},
		"early": {
			seed.Options{Start: day("1899-12-31T00:00:00Z"), Days: 1, Turbines: 1},
			"start-date: 1899-12-31 is not from 1900-01-01 to 2199-12-31",
		},
		"late": {
			seed.Options{Start: day("2200-01-01T00:00:00Z"), Days: 1, Turbines: 1},
			"start-date: 2200-01-01 is not from 1900-01-01 to 2199-12-31",
		},
		"ends late": {
			seed.Options{Start: day("2199-12-31T00:00:00Z"), Days: 2, Turbines: 1},
			"days: 2 from 2199-12-31 end after 2199-12-31, the last day allowed",
		},
		"within a day": {
			seed.Options{Start: day("2025-01-01T00:00:00+01:00"), Days: 1, Turbines: 1},
			"start-date: 2025-01-01T00:00:00+01:00 is not the start of a day in UTC",
		},
		"all at once": {
			seed.Options{},
			"start-date: 0001-01-01 is not from 1900-01-01 to 2199-12-31; days: 0 is not from 1 to 36600; " +
				"turbines: 0 is not from 1 to 100000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := tt.opts.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
