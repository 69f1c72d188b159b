package sampleimport_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// localDay is a day of 10-minute rows as a clock in Berlin shows them, without offsets:
// the power counts the rows.
func localDay(t *testing.T, day string) (text string, count int) {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"timestamp,power"}
	for at := start; at.In(zone).Format(time.DateOnly) == day; at = at.Add(10 * time.Minute) {
		lines = append(lines, fmt.Sprintf("%s,%d", at.In(zone).Format("2006-01-02 15:04:05"), count))
		count++
	}
	return strings.Join(lines, "\n") + "\n", count
}

// The days on which the clocks change are imported exactly with a zone: the hour that
// comes twice is told apart by order, upwards and downwards. Without a zone they are
// refused, and the error names zones.
func TestClocksChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		day, first, refusal string
		rows                int
	}{
		{"2025-10-26", "2025-10-25T22:00:00Z", "line 20: timestamp: the hour of 2025-10-26T02:00:00 comes twice, as the clocks have it in Europe/Berlin", 150},
		{"2025-03-30", "2025-03-29T23:00:00Z", "line 14: timestamp: the hour of 2025-03-30T02:00:00 is left out, as the clocks have it in Europe/Berlin", 138},
	} {
		text, count := localDay(t, tt.day)
		if count != tt.rows {
			t.Fatalf("%s has %d rows, want %d", tt.day, count, tt.rows)
		}
		lines := strings.Split(strings.TrimSpace(text), "\n")
		slices.Reverse(lines[1:])
		for order, text := range map[string]string{"up": text, "down": strings.Join(lines, "\n") + "\n"} {
			t.Run(tt.day+" "+order, func(t *testing.T) {
				t.Parallel()
				pool := setup(t)
				_, _, err := importing(t, pool, sampleimport.Options{}, file("a.csv", text))
				if err == nil || order == "up" && !strings.Contains(err.Error(), tt.refusal) || !strings.Contains(err.Error(), "--time-zone Europe/Berlin") {
					t.Errorf("without a zone: got %v", err)
				}
				if got := rows(t, pool); len(got) != 0 {
					t.Errorf("%d rows were imported all the same", len(got))
				}
				zoned := sampleimport.Options{Format: sampleimport.Format{TimeZone: "Europe/Berlin"}}
				result, err := sampleimport.Run(t.Context(), pool, []sampleimport.File{file("a.csv", text)}, zoned)
				if err != nil || result.Inserted != int64(tt.rows) || result.From.String() != tt.first {
					t.Errorf("got %+v, %v", result, err)
				}
				wrong := pgtest.Query[int64](t, pool, "SELECT count(*) FROM data WHERE timestamp <> $1::timestamptz + power * interval '10 minutes'", tt.first)
				if wrong != 0 {
					t.Errorf("%d rows are at another instant", wrong)
				}
			})
		}
	}
}

// A time that no clock of the zone shows is an error that names both.
func TestTimeThatIsLeftOut(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	_, _, err := importing(t, pool, sampleimport.Options{Format: sampleimport.Format{TimeZone: "Europe/Berlin"}},
		file("a.csv", "timestamp,power\n2025-03-30 02:30:00,1\n"))
	const want = "a.csv: line 2: timestamp: 2025-03-30T02:30:00 does not exist in Europe/Berlin, where the clocks went from 02:00:00 to 03:00:00; rows of another zone need another --time-zone"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An offset in the value wins over the zone.
func TestOffsetWins(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	samples, _, err := importing(t, pool, sampleimport.Options{Format: sampleimport.Format{TimeZone: "Europe/Berlin"}},
		file("a.csv", "timestamp,power\n2025-01-02T00:00:00+03:00,1\n2025-01-02T00:00:00Z,2\n2025-01-02T02:00:00,3\n"))
	want := []string{"1 2025-01-01T21:00:00Z - 1 -", "1 2025-01-02T00:00:00Z - 2 -", "1 2025-01-02T01:00:00Z - 3 -"}
	if err != nil || !slices.Equal(samples, want) {
		t.Errorf("got %q, %v, want %q", samples, err, want)
	}
}
