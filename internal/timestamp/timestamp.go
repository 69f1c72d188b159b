// Package timestamp holds the instant of the HTTP contract: what a client may
// write for one and how the servers write it back.
//
// Accepted are RFC 3339 and the looser ISO 8601 forms that the replaced
// system's clients send: a blank or a lower-case t between date and time, no
// seconds, an offset without a colon, no offset at all (then UTC), a bare date
// (then midnight UTC). A number is not a timestamp, and neither is an instant outside
// the years 0001 to 9999, which RFC 3339 can't write. Written is RFC 3339 in UTC
// with Z, with a fraction only where there is one, in microseconds.
package timestamp

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"time"
)

// Time is an instant in UTC with microsecond precision. It is a struct around
// a private time.Time so that generated code binds, sends and marshals it with
// the methods here alone.
//
//nolint:recvcheck // It unmarshals by pointer and marshals by value, as time.Time does.
type Time struct{ t time.Time }

// The errors of Parse, Bind and BindIn.
var (
	ErrMalformed = errors.New("not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01")
	ErrRange     = errors.New("not within the years 0001 to 9999 (UTC)")
	ErrTwice     = errors.New("a time that comes twice in the time zone; give it with its offset")
	ErrSkipped   = errors.New("a time that the time zone leaves out")
	ErrPrecision = errors.New("not whole microseconds: give at most six digits of a fraction of a second")
)

// New returns t in UTC, truncated to the microsecond.
func New(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Time returns the instant, in UTC.
func (t Time) Time() time.Time { return t.t }

// layouts are tried in order; time.Parse takes a fraction after any of their seconds.
func layouts() [9]string {
	return [...]string{
		"2006-01-02T15:04:05Z07:00",
		"2006-01-02T15:04:05",
		"2006-01-02",
		"2006-01-02T15:04Z07:00",
		"2006-01-02T15:04",
		"2006-01-02T15:04:05Z0700",
		"2006-01-02T15:04:05Z07",
		"2006-01-02T15:04Z0700",
		"2006-01-02T15:04Z07",
	}
}

// Parse reads s, truncated to the microsecond. In a query string the plus of an unescaped +01:00
// arrives as a blank, so a blank before an offset is one.
func Parse(s string) (Time, error) {
	t, _, err := parse(s)
	return New(t), err
}

// ParseZoned is Parse that truncates nothing, and reports whether s has an offset.
func ParseZoned(s string) (t time.Time, zoned bool, err error) {
	t, layout, err := parse(s)
	return t, strings.Contains(layout, "Z07"), err
}

func parse(s string) (t time.Time, layout string, err error) {
	b, ok := normalize(s)
	if !ok {
		return time.Time{}, "", ErrMalformed
	}
	for _, layout := range layouts() {
		t, err := time.Parse(layout, string(b))
		if err != nil {
			continue
		}
		if !soundOffset(b) {
			return time.Time{}, "", ErrMalformed
		}
		return t, layout, inRange(t)
	}
	return time.Time{}, "", ErrMalformed
}

func inRange(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return ErrRange
	}
	return nil
}

// normalize turns the forms that layouts lacks into those that it has. ok is false for malformed ones
// that time.Parse takes: one digit for an hour, a comma for a fraction.
func normalize(s string) (b []byte, ok bool) {
	b = []byte(strings.TrimSpace(s))
	if len(b) > 10 {
		if b[10] == ' ' || b[10] == 't' {
			b[10] = 'T'
		}
		if len(b) < 14 || b[13] != ':' || bytes.IndexByte(b, ',') >= 0 {
			return nil, false
		}
		if i := bytes.LastIndexByte(b, ' '); i > 10 {
			b[i] = '+'
		}
	}
	if n := len(b); n > 0 && b[n-1] == 'z' {
		b[n-1] = 'Z'
	}
	return b, true
}

// soundOffset reports whether an offset is within a day: time.Parse takes +24:00 and +01:60 too.
func soundOffset(b []byte) bool {
	i := bytes.LastIndexAny(b, "+-")
	if i <= len(time.DateOnly) {
		return true
	}
	hours, minutes := b[i+1:i+3], b[len(b)-2:]
	return string(hours) < "24" && (len(b) == i+3 || string(minutes) < "60")
}

// Bind reads a parameter's text; the generated servers call it. Truncated, a bound
// between two microseconds would take in, or leave out, what it should not.
func (t *Time) Bind(s string) error { return t.BindIn(s, time.UTC) }

// BindIn is Bind, but what has no offset is of the zone: a bare date is its first instant there.
func (t *Time) BindIn(s string, zone *time.Location) error {
	v, layout, err := parse(s)
	if err == nil && zone != time.UTC && !strings.Contains(layout, "Z07") {
		v, err = in(v, zone, layout == time.DateOnly)
	}
	if err = cmp.Or(err, inRange(v)); err != nil {
		return err
	}
	if v.Nanosecond()%1000 != 0 {
		return ErrPrecision
	}
	*t = New(v)
	return nil
}

// in is the instant at which clocks of the zone show what wall does in UTC.
func in(wall time.Time, zone *time.Location, midnight bool) (time.Time, error) {
	switch found, before := Instants(wall, zone); {
	case len(found) == 1:
		return found[0], nil
	case midnight:
		return before, nil
	case found == nil:
		return time.Time{}, ErrSkipped
	default:
		return time.Time{}, ErrTwice
	}
}

// Instants are those at which clocks of the zone show what wall does in UTC: two in the hour that
// comes twice, none in one that is left out. before is by the offset of the day before.
func Instants(wall time.Time, zone *time.Location) (found []time.Time, before time.Time) {
	// An offset changes at most once within two days.
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(near).In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if _, shown := at.Zone(); shown == offset && (found == nil || !at.Equal(found[0])) {
			found = append(found, at)
		}
		if near < 0 {
			before = at
		}
	}
	return found, before
}

// UnmarshalText implements encoding.TextUnmarshaler with Parse.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := Parse(string(b))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return AppendMicros(nil, t.t.UnixMicro()), nil }

// String returns the text form.
func (t Time) String() string { return string(AppendMicros(nil, t.t.UnixMicro())) }

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
	toMarch0        = 719_468 // days from 0000-03-01 to 1970-01-01
)

// AppendMicros appends the text of microseconds of Unix time, within the years 0001 to 9999, to b.
func AppendMicros(b []byte, micros int64) []byte {
	if micros%microsPerSecond == 0 {
		return append(appendSeconds(b, micros), 'Z')
	}
	b = appendFraction(appendSeconds(b, micros), micros)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return append(b, 'Z')
}

// AppendWide is AppendMicros with six digits of a fraction in any case.
func AppendWide(b []byte, micros int64) []byte {
	return append(appendFraction(appendSeconds(b, micros), micros), 'Z')
}

// appendSeconds appends an instant up to its second. It is several times as fast as
// time.Time.AppendFormat and allocates nothing: a row of /data costs one call.
func appendSeconds(b []byte, micros int64) []byte {
	// From 0000-03-01 on, so that nothing is negative: divisions are cheaper.
	since := uint64(micros + toMarch0*microsPerDay)
	year, month, day := civil(since / microsPerDay)
	seconds := since % microsPerDay / microsPerSecond
	return append(b,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(month/10), digit(month), '-',
		digit(day/10), digit(day), 'T',
		digit(seconds/36_000), digit(seconds/3600), ':',
		digit(seconds/600%6), digit(seconds/60), ':',
		digit(seconds/10%6), digit(seconds))
}

// appendFraction appends the fraction of an instant's second in six digits.
func appendFraction(b []byte, micros int64) []byte {
	fraction := uint64(micros+toMarch0*microsPerDay) % microsPerSecond
	return append(b, '.',
		digit(fraction/100_000), digit(fraction/10_000), digit(fraction/1000),
		digit(fraction/100), digit(fraction/10), digit(fraction))
}

func digit(n uint64) byte { return byte('0' + n%10) }

// civil is the date of a day counted from 0000-03-01. With years that begin in March the leap day is
// the last one of a year and of an era, which is 400 years.
func civil(days uint64) (year, month, day uint64) {
	const daysPerEra = 146_097
	era, dayOfEra := days/daysPerEra, days%daysPerEra
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153 // months since March
	day = dayOfYear - (153*shifted+2)/5 + 1
	month = shifted + 3
	year = yearOfEra + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}
