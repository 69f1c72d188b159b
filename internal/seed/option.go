package seed

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What Options may ask for.
const (
	MaxDays     = 36_600
	MaxTurbines = 100_000
)

// lastDay returns the last day that can be seeded; firstMinute's is the first.
func lastDay() time.Time { return time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC) }

// Options say what to seed: Days whole days from Start, midnight UTC, of the
// turbines 1 to Turbines.
type Options struct {
	Start    time.Time
	Days     int
	Turbines int
	// Progress is told how many of all rows are on their way, a day of a
	// turbine at a time, from another goroutine than Run's caller. It may be
	// nil. It starts over when another seed was faster.
	Progress func(done, total int64)
}

// Validate reports every fault in one line, each with the option's name on the
// command line, its value, and what is allowed.
func (o Options) Validate() error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	startOK := false
	switch {
	case !o.Start.Equal(o.Start.UTC().Truncate(24 * time.Hour)):
		fault("start-date: %s is not the start of a day in UTC", o.Start.Format(time.RFC3339))
	case o.Start.Before(firstMinute()) || o.Start.After(lastDay()):
		fault("start-date: %s is not from %s to %s", day(o.Start), day(firstMinute()), day(lastDay()))
	default:
		startOK = true
	}
	switch {
	case o.Days < 1 || o.Days > MaxDays:
		fault("days: %d is not from 1 to %d", o.Days, MaxDays)
	case startOK && o.Start.UTC().AddDate(0, 0, o.Days-1).After(lastDay()):
		fault("days: %d from %s end after %s, the last day allowed", o.Days, day(o.Start), day(lastDay()))
	}
	if o.Turbines < 1 || o.Turbines > MaxTurbines {
		fault("turbines: %d is not from 1 to %d", o.Turbines, MaxTurbines)
	}
	if faults == nil {
		return nil
	}
	return errors.New(strings.Join(faults, "; "))
}

func (o Options) stop() time.Time { return o.Start.AddDate(0, 0, o.Days) }

func (o Options) total() int64 { return int64(o.Turbines) * int64(o.Days) * minutesPerDay }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
