package dates_test

import (
	"testing"
	"time"

	"github.com/delfos/delfos/internal/dates"
)

func date(t *testing.T, s string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

func TestBelievable(t *testing.T) {
	t.Parallel()
	// Tomorrow is tomorrow in UTC, wherever the clock is.
	now := time.Date(2025, time.January, 10, 23, 30, 0, 0, time.FixedZone("", -2*60*60))
	for day, want := range map[string]bool{
		"0001-01-01": false, "0225-01-01": false, "1970-01-01": false, "1979-12-31": false,
		"1980-01-01": true, "2025-01-10": true, "2025-01-12": true,
		"2025-01-13": false, "2099-01-01": false, "9999-12-31": false,
	} {
		if got := dates.Believable(date(t, day), now); got != want {
			t.Errorf("%s: got %t, want %t", day, got, want)
		}
	}
	if got, want := dates.Believed(now), "from 1980-01-01 to 2025-01-12, which is tomorrow"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		want     int
	}{
		{"2025-01-01", "2025-01-01", 1},
		{"2025-01-01", "2025-12-31", 365},
		{"2025-01-02", "2025-01-01", 0},
		{"1969-12-31", "1970-01-01", 2},
		{"0001-01-01", "9999-12-31", 3_652_059}, // more than a time.Duration holds
	} {
		if got := dates.Count(date(t, tt.from), date(t, tt.to)); got != tt.want {
			t.Errorf("%s to %s: got %d, want %d", tt.from, tt.to, got, tt.want)
		}
	}
}

// A day stays one that can be written, and read again.
func TestAdd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		day  string
		n    int
		want string
	}{
		{"2024-02-28", 2, "2024-03-01"},
		{"9999-12-31", 1, "9999-12-31"},
		{"9999-12-30", 20_000, "9999-12-31"},
		{"0001-01-01", -1, "0001-01-01"},
		{"0001-01-02", -400, "0001-01-01"},
	} {
		if got := dates.Add(date(t, tt.day), tt.n); !got.Equal(date(t, tt.want)) {
			t.Errorf("%s + %d: got %s, want %s", tt.day, tt.n, got.Format(time.DateOnly), tt.want)
		}
	}
}
