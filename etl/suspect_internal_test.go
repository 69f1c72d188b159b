package etl

import (
	"strings"
	"testing"
	"time"
)

func TestSuspect(t *testing.T) {
	t.Parallel()
	// day is of 2025-01: the samples it was loaded from and those that there are now.
	day := func(n int, loaded, now int64) SeenDay {
		return SeenDay{Day: time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC), Loaded: loaded, Now: now, Stale: loaded != now}
	}
	// told is a day that is gone and has failed.
	told := func(n int) SeenDay {
		d := day(n, 1440, 0)
		d.Stale = false
		return d
	}
	for name, tt := range map[string]struct {
		look Look
		want string // a part of it
	}{
		"nothing loaded, nothing there": {Look{}, ""},
		"as it was":                     {Look{Loaded: []SeenDay{day(1, 1440, 1440), day(2, 1440, 1440)}, Turbines: 1}, ""},
		"no turbines":                   {Look{Loaded: []SeenDay{day(1, 1440, 1440)}}, "lists no turbines, and 1 days are loaded"},
		"late readings":                 {Look{Loaded: []SeenDay{day(1, 1000, 1440), day(2, 1440, 1000)}, Turbines: 1}, ""},
		"one day gone":                  {Look{Loaded: []SeenDay{day(1, 1440, 1440), day(2, 1440, 0), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"two days gone":                 {Look{Loaded: []SeenDay{day(1, 1440, 0), day(2, 1440, 1440), day(3, 1440, 0)}, Turbines: 1}, "no samples of 2 days that are loaded, 2025-01-01 to 2025-01-03;"},
		"another day gone":              {Look{Loaded: []SeenDay{told(1), day(2, 1440, 0), day(3, 1440, 1440)}, Turbines: 1}, "no samples of 2 days"},
		"gone, and told":                {Look{Loaded: []SeenDay{told(1), told(2), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"a purge under way":             {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1430), day(3, 1440, 1440)}, Turbines: 1}, "has 1430 of the 1440 samples that 2025-01-02 was loaded from, and none of 2025-01-01 before it;"},
		"nine readings of the first":    {Look{Loaded: []SeenDay{day(2, 1440, 1431), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"more readings of the first":    {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1441)}, Turbines: 1}, ""},
		"readings of a later day":       {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1440), day(3, 1440, 1431)}, Turbines: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.look.Suspect(); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		parsed, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, tt := range []struct {
		retention       Retention
		now, from, want string
	}{
		{0, "2025-06-30 12:00", "2025-01-01 00:00", "2025-01-01 00:00"},
		{14, "2025-06-30 12:00", "2025-01-01 00:00", "2025-06-17 00:00"}, // of 06-16 half is gone
		{14, "2025-06-30 00:00", "2025-01-01 00:00", "2025-06-17 00:00"},
		{14, "2025-06-30 12:00", "2025-06-18 00:00", "2025-06-18 00:00"},
		{1, "2025-06-30 12:00", "2025-01-01 00:00", "2025-06-30 00:00"},
	} {
		if got := tt.retention.Clip(at(tt.from), at(tt.now)); !got.Equal(at(tt.want)) {
			t.Errorf("%d days at %s: from %s on, want %s", tt.retention, tt.now, got, tt.want)
		}
	}
}
