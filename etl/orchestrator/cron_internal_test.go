package orchestrator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/dates"
)

func dayAt(text string) time.Time {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	panic(text)
}

func parseCron(t *testing.T, text string) Cron {
	t.Helper()
	c, err := ParseCron(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseCron(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    DefaultCron,
		"  0   1 * *\t* ":                     DefaultCron,
		"CRON_TZ=Europe/Lisbon 30 1 * * *":    "CRON_TZ=Europe/Lisbon 30 1 * * *",
		"TZ=UTC\t*/15 0-6,22 ? jan-mar SUN":   "TZ=UTC */15 0-6,22 ? jan-mar SUN",
		"@monthly":                            "@monthly",
		"CRON_TZ=America/Sao_Paulo @midnight": "CRON_TZ=America/Sao_Paulo @midnight",
		"@every 90m":                          "@every 90m",
		"0 0 29 2 *":                          "0 0 29 2 *",
		"0 1 * * 5-7":                         "0 1 * * 5-7",
	} {
		if got := parseCron(t, text).String(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for text, why := range map[string]string{
		" ":                             "it is blank",
		"0 1 * *":                       "expected exactly 5 fields",
		"0 0 1 * * *":                   "expected exactly 5 fields",
		"60 1 * * *":                    "minute: end of range (60) above maximum (59)",
		"0 24 * * *":                    "hour: end of range (24) above maximum (23)",
		"0 1 0 * *":                     "day: beginning of range (0) below minimum (1)",
		"0 1 * 13 *":                    "month: end of range (13) above maximum (12)",
		"0 1 * * 8":                     "weekday: end of range (8) above maximum (6)",
		"0 1 * * 7-2":                   "weekday: beginning of range (7) beyond end of range (2)",
		"0 1 * * 1-7/0":                 "weekday: ",
		"0 1 * * 6-8":                   "weekday: end of range (8) above maximum (6)",
		"x 1 * * *":                     "minute: failed to parse int",
		", 1 * * *":                     "it never fires",
		"0 0 30 2 *":                    "it never fires",
		"@never":                        "unrecognized descriptor",
		"@every":                        "unrecognized descriptor",
		"@every 1s":                     "at least 1m",
		"@every -1h":                    "at least 1m",
		"@every 90.5s":                  "at least 1m",
		"@every soon":                   "failed to parse duration",
		"CRON_TZ=Europe/Lisbon":         "nothing follows the zone",
		"CRON_TZ=Europe/Nowhere @daily": `there is no time zone "Europe/Nowhere"`,
		"CRON_TZ= 0 1 * * *":            `there is no time zone ""`,
		"CRON_TZ=Local 0 1 * * *":       `there is no time zone "Local"`,
	} {
		_, err := ParseCron(text)
		if err == nil {
			t.Errorf("%q is taken, want an error", text)
			continue
		}
		for _, part := range []string{fmt.Sprintf("SCHEDULE %q: ", text), why, "; want five fields"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: got %q, want %q in it", text, err, part)
			}
		}
	}
}

// Sunday is 0 and 7, alone, in lists and at the end of a range.
func TestSevenIsSunday(t *testing.T) {
	t.Parallel()
	for weekdays, same := range map[string]string{
		"7": "0", "7,3": "0,3", "1,7": "0,1", "7-7": "0", "5-7": "0,5,6", "0-7": "*", "1-7": "*", "6-7": "0,6",
		"1-7/2": "0,1,3,5", "1-7/3": "0,1,4", "2-7/2": "2,4,6", "5-7/2": "0,5", "2-7/9": "2", "3,5-7,1": "0,1,3,5,6", "7/2": "0",
	} {
		seven, zero := parseCron(t, "0 1 * * "+weekdays), parseCron(t, "0 1 * * "+same)
		for day := dayAt("2025-01-01"); day.Before(dayAt("2025-01-15")); day = day.AddDate(0, 0, 1) {
			if got, want := dueAt(t, seven, day), dueAt(t, zero, day); !got.Equal(want) {
				t.Errorf("%s: %s is due at %s, want %s as by %s", weekdays, day.Format(time.DateOnly), got, want, same)
			}
		}
	}
}

func TestDueAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, day, want string }{
		{"0 1 * * *", "2025-01-01", "2025-01-02 01:00"},
		{"0 0 * * *", "2025-01-01", "2025-01-02 00:00"},
		{"* * * * *", "2025-12-31", "2026-01-01 00:00"},
		{"59 23 * * *", "2025-01-01", "2025-01-02 23:59"},
		{"0 6 * * 1", "2025-01-01", "2025-01-06 06:00"},
		{"@monthly", "2025-01-01", "2025-02-01 00:00"},
		{"@monthly", "2025-01-31", "2025-02-01 00:00"},
		{"@yearly", "2025-01-01", "2026-01-01 00:00"},
		{"0 0 29 2 *", "2025-01-01", "2028-02-29 00:00"},
		{"@every 6h", "2025-01-01", "2025-01-02 00:00"},
		{"@every 7h", "1970-01-01", "1970-01-02 04:00"},
		// Lisbon's clock goes from 01:00 to 02:00 at 01:00 UTC, and back from
		// 02:00 to 01:00 at the same time.
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-03-28", "2025-03-29 01:30"},
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-03-29", "2025-03-30 01:00"},
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-03-30", "2025-03-31 00:30"},
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-10-24", "2025-10-25 00:30"},
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-10-25", "2025-10-26 00:30"},
		{"CRON_TZ=Europe/Lisbon 30 1 * * *", "2025-10-26", "2025-10-27 01:30"},
		{"CRON_TZ=Europe/Lisbon 0 2 * * *", "2025-03-29", "2025-03-30 01:00"},
		{"CRON_TZ=Europe/Lisbon 59 0 * * *", "2025-03-29", "2025-03-30 00:59"},
		{"CRON_TZ=Europe/Lisbon 0 1 * * *", "2025-03-29", "2025-03-30 01:00"},
		{"CRON_TZ=Europe/Lisbon 0 1 * * *", "2025-03-30", "2025-03-31 00:00"},
		// In summer midnight in Lisbon is 23:00 UTC, an hour too early for the
		// day: the next one counts.
		{"CRON_TZ=Europe/Lisbon 0 0 * * *", "2025-07-01", "2025-07-02 23:00"},
		// Cairo leaves out midnight itself, Lord Howe half an hour.
		{"CRON_TZ=Africa/Cairo 0 0 * * *", "2025-04-22", "2025-04-23 22:00"},
		{"CRON_TZ=Africa/Cairo 0 0 * * *", "2025-04-23", "2025-04-24 22:00"},
		{"CRON_TZ=Africa/Cairo 0 0 * * *", "2025-04-24", "2025-04-25 21:00"},
		{"CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2025-10-03", "2025-10-04 15:30"},
		{"CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2025-10-04", "2025-10-05 15:15"},
		// A whole day, 2011-12-30, was left out.
		{"CRON_TZ=Pacific/Apia 0 12 30 * *", "2011-12-28", "2011-12-30 10:00"},
	} {
		if got := dueAt(t, parseCron(t, c.cron), dayAt(c.day)); !got.Equal(dayAt(c.want)) {
			t.Errorf("%s: %s is due at %s, want %s", c.cron, c.day, got.Format("2006-01-02 15:04"), c.want)
		}
	}
}

// dueAt is when a day is due, as it is some time.
func dueAt(t *testing.T, cron Cron, day time.Time) time.Time {
	t.Helper()
	at, ok := cron.dueAt(day)
	if !ok {
		t.Fatalf("%s: %s is never due", cron, day.Format(time.DateOnly))
	}
	return at
}

// A clock goes through a year; each day is asked for once, when it is due.
func TestEachDayOnce(t *testing.T) {
	t.Parallel()
	const lisbon = "CRON_TZ=Europe/Lisbon 30 1 * * *"
	for _, c := range []struct {
		cron string
		step time.Duration
	}{
		{lisbon, time.Minute},
		{"0 1 * * *", 20 * time.Minute},
		{"0 * * * *", 20 * time.Minute},
		{"0 6 * * 1-5", 20 * time.Minute},
		{"@monthly", time.Hour},
		{"CRON_TZ=America/New_York 30 2 * * *", 15 * time.Minute},
		{"CRON_TZ=Africa/Cairo 0 0 * * *", 20 * time.Minute},
		{"CRON_TZ=Asia/Kathmandu */45 3 * * *", 15 * time.Minute},
		{"CRON_TZ=Australia/Lord_Howe 15 2 * * *", 15 * time.Minute},
		{"@every 5h", 20 * time.Minute},
	} {
		t.Run(c.cron, func(t *testing.T) {
			t.Parallel()
			cron, first, end := parseCron(t, c.cron), dayAt("2025-01-01"), dayAt("2026-01-05")
			asked := map[time.Time]time.Time{}
			for now := first; now.Before(end); now = now.Add(c.step) {
				days, _ := cron.dueDays(first, now, 1)
				for _, day := range days {
					if _, known := asked[day]; !known {
						asked[day] = now
					}
				}
			}
			for day := first; dueAt(t, cron, day).Before(end); day = day.AddDate(0, 0, 1) {
				at, due := asked[day], dueAt(t, cron, day)
				if at.Before(due) || !at.Before(due.Add(c.step)) {
					t.Errorf("%s was asked for at %s, want %s", day.Format(time.DateOnly), at, due)
				}
				if c.cron != lisbon {
					continue
				}
				want := day.AddDate(0, 0, 1).Add(90 * time.Minute)
				switch {
				case day.Equal(dayAt("2025-03-29")):
					want = dayAt("2025-03-30 01:00")
				case !day.Before(dayAt("2025-03-30")) && day.Before(dayAt("2025-10-26")):
					want = want.Add(-time.Hour)
				}
				if !at.Equal(want) {
					t.Errorf("%s was asked for at %s, want %s", day.Format(time.DateOnly), at, want)
				}
			}
			if len(asked) < 365 && c.cron != "@monthly" {
				t.Errorf("%d days were asked for, want the whole year", len(asked))
			}
		})
	}
}

func TestDueDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cron, start, now string
		catchUp          int
		want             []string
		older            string
	}{
		{"0 1 * * *", "2020-01-01", "2025-06-30 12:00", 3, []string{"2025-06-29", "2025-06-28", "2025-06-27"}, "2025-06-26"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 01:00", 3, []string{"2025-06-29", "2025-06-28", "2025-06-27"}, "2025-06-26"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 00:59:59", 3, []string{"2025-06-28", "2025-06-27", "2025-06-26"}, "2025-06-25"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 00:00", 1, []string{"2025-06-28"}, "2025-06-27"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 12:00", 0, []string{"2025-06-29"}, "2025-06-28"},
		{"0 1 * * *", "2025-06-28", "2025-06-30 12:00", 7, []string{"2025-06-29", "2025-06-28"}, ""},
		{"0 1 * * *", "2025-06-30", "2025-06-30 12:00", 7, nil, ""},
		{"0 1 * * *", "2025-07-30", "2025-06-30 12:00", 7, nil, ""},
		// The weekend's days are due on Monday, with Friday.
		{"0 6 * * 1-5", "2020-01-01", "2025-06-30 07:00", 1, []string{"2025-06-29", "2025-06-28", "2025-06-27"}, "2025-06-26"},
		{"0 6 * * 1-5", "2020-01-01", "2025-06-30 05:00", 1, nil, "2025-06-26"},
		{"0 6 * * 1-5", "2020-01-01", "2025-06-30 05:00", 3, []string{"2025-06-26"}, "2025-06-25"},
	} {
		var got []string
		var gotOlder string
		days, older := parseCron(t, c.cron).dueDays(dayAt(c.start), dayAt(c.now), c.catchUp)
		for _, day := range days {
			got = append(got, day.Format(time.DateOnly))
		}
		if older != nil {
			gotOlder = older.Format(time.DateOnly)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || gotOlder != c.older {
			t.Errorf("%s from %s at %s, %d days: older is %q, want %q (-want +got):\n%s", c.cron, c.start, c.now, c.catchUp, gotOlder, c.older, diff)
		}
	}
	if got, _ := parseCron(t, "@monthly").dueDays(dates.Earliest(), dayAt("2025-06-01 00:10"), 7); len(got) != 31 {
		t.Errorf("a month makes %d days due, want 31", len(got))
	}
}

func TestUpcoming(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, start, now, at, day string }{
		{"0 1 * * *", "2020-01-01", "2025-06-30 00:30", "2025-06-30 01:00", "2025-06-29"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 01:00", "2025-07-01 01:00", "2025-06-30"},
		{"0 1 * * *", "2020-01-01", "2025-06-30 23:59", "2025-07-01 01:00", "2025-06-30"},
		{"* * * * *", "2020-01-01", "2025-06-30 23:59", "2025-07-01 00:00", "2025-06-30"},
		{"0 6 * * 1", "2020-01-01", "2025-06-25 12:00", "2025-06-30 06:00", "2025-06-29"},
		{"0 1 * * *", "2025-09-01", "2025-06-30 23:59", "2025-09-02 01:00", "2025-09-01"},
		{"0 1 * * *", "2025-06-30", "2025-06-30 00:30", "2025-07-01 01:00", "2025-06-30"},
	} {
		at, day, ok := parseCron(t, c.cron).upcoming(dayAt(c.start), dayAt(c.now))
		if !ok || !at.Equal(dayAt(c.at)) || !day.Equal(dayAt(c.day)) {
			t.Errorf("%s at %s: got %s at %s, want %s at %s", c.cron, c.now, day, at, c.day, c.at)
		}
	}
}

// The last day that can be written has no next one.
func TestUpcomingEnds(t *testing.T) {
	t.Parallel()
	for _, cron := range []string{"0 1 * * *", "CRON_TZ=Pacific/Kiritimati 0 1 * * *", "@every 5h", "@yearly"} {
		if at, day, ok := parseCron(t, cron).upcoming(dates.Last(), dayAt("2025-06-30")); ok {
			t.Errorf("%s: got %s at %s, want none", cron, day, at)
		}
	}
}

func TestUntilTick(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]time.Duration{
		"2025-06-30 12:00":    30 * time.Second,
		"2025-06-30 00:59:40": 20 * time.Second,
		"2025-06-30 01:00":    30 * time.Second,
	} {
		if got := untilTick(parseCron(t, "0 1 * * *"), dayAt(now)); got != want {
			t.Errorf("after %s: got %s, want %s", now, got, want)
		}
	}
}
