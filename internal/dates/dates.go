// Package dates says which days can be written and which can be believed. A day
// is its midnight, UTC.
//
// A day can be written from 0001-01-01 to 9999-12-31. It can be believed from
// 1980-01-01 to tomorrow: other days come from clocks that were never set, or were
// mistyped. They are loaded and shown when somebody asks for them, and not used
// otherwise.
package dates

import (
	"fmt"
	"time"
)

const secondsOfDay = 24 * 60 * 60

// First is the first day that can be written.
func First() time.Time { return time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Last is the last day that can be written.
func Last() time.Time { return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC) }

// Earliest is the first day that can be believed.
func Earliest() time.Time { return time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Latest is the last day that can be believed: tomorrow, which has begun further east.
func Latest(now time.Time) time.Time { return Of(now).AddDate(0, 0, 1) }

// Of is the day of an instant.
func Of(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// Believable reports whether a day can be believed.
func Believable(day, now time.Time) bool {
	return !day.Before(Earliest()) && !day.After(Latest(now))
}

// Believed says which days can be believed, as the end of an error's sentence.
func Believed(now time.Time) string {
	return fmt.Sprintf("from %s to %s, which is tomorrow", Earliest().Format(time.DateOnly), Latest(now).Format(time.DateOnly))
}

// Count is how many days a range has, both ends included; less than 1 when it is reversed.
func Count(from, to time.Time) int {
	return int(to.Unix()/secondsOfDay-from.Unix()/secondsOfDay) + 1
}

// Add is the day n days after another, or the first or last that can be written.
func Add(day time.Time, n int) time.Time {
	return Later(First(), Earlier(day.AddDate(0, 0, n), Last()))
}

// Earlier is the first of two days.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Later is the last of two days.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
