package orchestrator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl"
)

// page is the page of a list as a text: its days, and those that it leads to.
func (s *schedule) page(from, to string) string {
	s.t.Helper()
	bound := func(day string) *time.Time {
		if day == "" {
			return nil
		}
		return new(dayAt(day))
	}
	page, err := (&Control{scheduler: s.scheduler}).Page(s.t.Context(), bound(from), bound(to))
	if err != nil {
		s.t.Fatalf("page from %q to %q: %v", from, to, err)
	}
	text := func(days *etl.Span) string {
		if days == nil {
			return "none"
		}
		return days.First.Format(time.DateOnly) + ".." + days.Last.Format(time.DateOnly)
	}
	return fmt.Sprintf("%s, before %s, after %s", text(page.Days), text(page.Earlier), text(page.Later))
}

type pageTest struct{ what, from, to, want string }

func (s *schedule) wantPages(tests ...pageTest) {
	s.t.Helper()
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, s.page(tt.from, tt.to)); diff != "" {
			s.t.Errorf("%s, from %q to %q (-want +got):\n%s", tt.what, tt.from, tt.to, diff)
		}
	}
}

func TestPageGrows(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{}) // it is noon of 2025-06-30
	s.source.sample()
	s.wantPages(
		pageTest{"nothing is there", "", "", "none, before none, after none"},
		pageTest{"nothing is there", "", "2025-01-01", "none, before none, after none"},
		pageTest{"nothing is there", "2025-06-28", "", "2025-06-28..2025-06-29, before none, after none"},
		pageTest{"nothing is there", "2025-07-01", "", "none, before none, after none"},
		pageTest{"nothing is there", "2025-01-01", "2025-01-31", "2025-01-01..2025-01-31, before none, after none"},
	)
	s.load("2025-03-03", "2025-03-05")
	s.wantPages(
		pageTest{"days are loaded", "", "", "2025-03-03..2025-06-29, before none, after none"},
		pageTest{"days are loaded", "2025-03-05", "", "2025-03-05..2025-06-29, before 2025-03-03..2025-03-03, after none"},
		pageTest{"days are loaded", "", "2025-03-04", "2025-03-03..2025-03-04, before none, after 2025-03-05..2025-03-05"},
		pageTest{"days are loaded", "2025-03-04", "2025-03-04", "2025-03-04..2025-03-04, before 2025-03-03..2025-03-03, after 2025-03-05..2025-03-05"},
	)
	s.source.sample("2025-02-01", "2025-06-30")
	s.clock.advance(answerLasts)
	s.wantPages(pageTest{"samples are there", "", "", "2025-02-01..2025-06-30, before none, after none"})
	s.source.err = errors.New("away")
	s.clock.advance(answerLasts)
	s.wantPages(pageTest{"the source is away", "", "", "2025-02-01..2025-06-30, before none, after none"})
	s.restart()
	s.wantPages(pageTest{"the source was never asked", "", "", "2025-03-03..2025-06-29, before none, after none"})
	s.exec("DELETE FROM partition")
	s.config.Schedule.PartitionStart = new(dayAt("2025-04-01"))
	s.restart()
	s.wantPages(pageTest{"all that is known is the schedule", "", "", "2025-04-01..2025-06-29, before none, after none"})
}

func TestPageOfManyDays(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{})
	s.source.sample("2020-01-01", "2024-06-30")
	s.wantPages(pageTest{"a year ago", "", "", "2023-05-28..2025-06-29, before 2022-04-23..2023-05-27, after none"})
	s.source.sample("2020-01-01", "2024-05-24")
	s.clock.advance(answerLasts)
	s.wantPages(
		pageTest{"401 days ago", "", "", "2023-04-21..2024-05-24, before 2022-03-17..2023-04-20, after none"},
		pageTest{"401 days ago", "", "2022-12-31", "2021-11-27..2022-12-31, before 2020-10-23..2021-11-26, after 2023-01-01..2024-02-04"},
		pageTest{"the last link", "2020-10-23", "2021-11-26", "2020-10-23..2021-11-26, before 2020-01-01..2020-10-22, after 2021-11-27..2022-12-31"},
	)
}

// Days that can't be believed drag no list along, are an answer to who asks for
// them, and can be come to.
func TestPageOfUnbelievableDays(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{})
	s.source.sample("0001-01-01", "1970-01-01", "2025-06-01", "2025-06-20", "2099-01-01")
	s.load("0225-01-01", "2025-06-10", "9999-12-31")
	s.exec("INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '1950-01-01', '1996-07-17')")
	s.exec("INSERT INTO run_partition (run_id, day, outcome, finished_at) SELECT 1, '1950-01-01'::date + n, 'cancelled', now() FROM generate_series(0, 16999) AS n")
	s.wantPages(
		pageTest{"all", "", "", "2025-06-01..2025-06-29, before 1995-06-14..1996-07-17, after 9999-12-31..9999-12-31"},
		pageTest{"the far past", "", "0225-12-31", "0225-01-01..0225-12-31, before none, after 1950-01-01..1951-02-04"},
		pageTest{"the far past", "0225-01-01", "", "0225-01-01..0279-10-04, before none, after 1950-01-01..1951-02-04"},
		pageTest{"the far future", "2099-01-01", "", "2099-01-01..2153-10-04, before 2025-06-01..2025-06-20, after 9999-12-31..9999-12-31"},
		pageTest{"the last day", "9999-12-31", "9999-12-31", "9999-12-31..9999-12-31, before 2025-06-01..2025-06-20, after none"},
		pageTest{"the first day", "0001-01-01", "0001-01-01", "0001-01-01..0001-01-01, before none, after 0225-01-01..0225-01-01"},
	)
	// Queued is something to say; so they are the newest.
	s.exec("UPDATE run_partition SET outcome = NULL, finished_at = NULL WHERE day = '1996-07-17'")
	s.exec("DELETE FROM partition")
	s.source.sample()
	s.clock.advance(answerLasts)
	s.wantPages(pageTest{"a day is queued", "", "", "1996-07-17..1996-07-17, before 1995-06-13..1996-07-16, after none"})
}
