package target

import (
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
)

// period is when the period of a step that holds an instant starts, and when it ends, by
// the clock of the instant's zone.
func period(step targetapi.Step, at time.Time) (start, end time.Time) {
	switch step {
	case targetapi.StepWindow:
		start = at.Truncate(window.Width)
		return start, start.Add(window.Width)
	case targetapi.StepHour:
		return hour(at)
	default:
	}
	year, month, day := at.Date()
	// wall is what the clock shows, as a time of UTC, when the nth period starts, counted
	// from the one that the clock is in.
	wall := func(nth int) time.Time {
		switch step {
		case targetapi.StepMonth:
			return time.Date(year, month+time.Month(nth), 1, 0, 0, 0, 0, time.UTC)
		case targetapi.StepDay:
			return time.Date(year, month, day+nth, 0, 0, 0, 0, time.UTC)
		default:
			const hours = 6
			return time.Date(year, month, day, (at.Hour()/hours+nth)*hours, 0, 0, 0, time.UTC)
		}
	}
	start, end = reached(wall(0), at.Location()), reached(wall(1), at.Location())
	for nth := 2; !end.After(at); nth++ { // clocks that go back at midnight show the day before again
		start, end = end, reached(wall(nth), at.Location())
	}
	return start, end
}

// reached is the first instant at which the clock of a zone shows what wall does in UTC,
// or a later time.
func reached(wall time.Time, zone *time.Location) time.Time {
	at := wall.Add(-24 * time.Hour).In(zone) // every clock shows less
	for {
		_, offset := at.Zone()
		_, changes := at.ZoneBounds()
		shown := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		switch {
		case shown.Before(at): // left out
			return at
		case changes.IsZero() || shown.Before(changes):
			return shown
		}
		at = changes
	}
}

// hour is the hour of an instant: it starts when the clock shows a whole hour, and when
// clocks change.
func hour(at time.Time) (start, end time.Time) {
	_, offset := at.Zone()
	shift := time.Duration(offset) * time.Second
	start = at.Add(shift).UTC().Truncate(time.Hour).Add(-shift)
	end = start.Add(time.Hour)
	since, until := at.ZoneBounds()
	if !since.IsZero() && since.After(start) {
		start = since
	}
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	return start, end
}
