package check

import (
	"fmt"
	"time"

	"github.com/delfos/delfos/gen/variable"
)

// A Day judges the turbines of a day. Its memory grows with what there is to
// doubt, not with samples or turbines.
type Day struct {
	rules     Rules
	start     int64
	turbines  int
	reporting [variables]int // turbines with readings of the variable
	samples   int
	broken    int
	flat      []run
	findings  map[subject]*finding
	flags     []Flag
	digest    string // what became of the comparison
}

// Flag is a window that a check doubts.
type Flag struct {
	Turbine  int32
	Variable string
	Start    int64 // of the window, in microseconds of Unix time
	Check    Name
	Detail   string
}

// NewDay returns a Day that begins at start, in UTC.
func NewDay(rules Rules, start time.Time) *Day {
	d := &Day{rules: rules, start: start.UnixMicro(), findings: map[subject]*finding{}}
	for _, s := range rules.subjects() {
		d.findings[s] = &finding{}
	}
	return d
}

// Add takes what came of a turbine that was read; one without samples is the
// zero Series of its id.
func (d *Day) Add(s Series) {
	d.turbines++
	d.samples += s.samples
	d.note(subject{Completeness, ""}, s.Turbine, minutesPerDay-s.minutes, func() string {
		return fmt.Sprintf("%d", minutesPerDay-s.minutes)
	})
	for i, name := range variable.Names {
		if s.missing[i] < s.samples {
			d.reporting[i]++
		}
		d.note(subject{Completeness, name}, s.Turbine, s.missing[i], func() string { return fmt.Sprintf("%d", s.missing[i]) })
	}
	for _, o := range s.outside {
		sub := subject{Range, variable.Names[o.variable]}
		d.note(sub, s.Turbine, o.count, func() string {
			return fmt.Sprintf("%s at %s", number(o.value), instant(o.at))
		})
		d.flag(sub, s.Turbine, o.window, func() string {
			return fmt.Sprintf("%s outside %s, %s the first", counted(o.count, "reading"), d.rules.interval(o.variable), number(o.value))
		})
	}
	for _, p := range s.departures {
		sub := subject{PowerCurve, variable.Names[power]}
		d.note(sub, s.Turbine, 1, func() string { return fmt.Sprintf("%s at %s", p, instant(p.start)) })
		d.flag(sub, s.Turbine, p.start, p.String)
	}
	for _, f := range s.flat {
		if d.rules.Made(Frozen, variable.Names[f.variable]) {
			f.turbine = s.Turbine
			d.flat = append(d.flat, f)
		}
	}
}

// Absent takes a turbine that could not be read, other than for the order of its
// samples: nothing is known of it.
func (d *Day) Absent() { d.broken++ }

// Disorder takes a turbine whose samples were refused for their order.
func (d *Day) Disorder(turbine int32, why error) {
	d.broken++
	d.note(subject{Order, ""}, turbine, 1, why.Error)
}

// Compare holds the digest of the samples as they arrived against the source's
// own of afterwards. Nil: the source has none, for the reason given.
func (d *Day) Compare(loaded int64, source *int64, reason string) {
	switch {
	case source == nil:
		d.digest = "not compared: " + reason
	case *source == loaded:
		d.digest = "the source still holds what was loaded"
	default:
		d.note(subject{Digest, ""}, 0, 1, func() string { return "" })
		d.digest = fmt.Sprintf("the source changed while it was read: loaded %016x, it holds %016x", uint64(loaded), uint64(*source))
	}
}

// note adds faults of a turbine to what its check has found.
func (d *Day) note(s subject, turbine int32, faults int, example func() string) {
	if f := d.findings[s]; f != nil && faults > 0 {
		f.add(turbine, faults, example)
	}
}

func (d *Day) flag(s subject, turbine int32, start int64, detail func() string) {
	if d.rules.Made(s.check, s.variable) {
		d.flags = append(d.flags, Flag{turbine, s.variable, start, s.check, detail()})
	}
}
