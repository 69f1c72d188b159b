package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
)

// A Day judges the turbines of a day. Its memory grows with what there is to
// doubt, not with samples or turbines.
type Day struct {
	rules     Rules
	start     int64
	length    int64 // of the time whose samples may be missed
	expected  int   // samples of the turbines in that time
	turbines  int
	reporting [variable.Count]int // turbines with readings of the variable
	unlogged  [variable.Count]bool
	samples   int
	broken    int
	flat      []run
	findings  map[subject]*finding
	flags     []Flag
	digest    string // the result of Compare
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
	d.length = rules.end(start) - d.start
	for _, s := range rules.subjects() {
		d.findings[s] = &finding{}
	}
	return d
}

// Add takes the series of a turbine that was read; without samples it is the zero
// Series of the turbine's id.
func (d *Day) Add(s Series) {
	d.turbines++
	d.samples += s.samples
	if expected := d.rules.expected(s.Turbine, d.length); expected > 0 {
		d.expected += expected
		missing := max(s.gaps, expected-s.due)
		d.note(subject{Completeness, ""}, s.Turbine, missing, func() string {
			return fmt.Sprintf("%d of %d", missing, expected) + s.advice()
		})
	}
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
			return fmt.Sprintf("%s outside %s, %s the first", counted(o.count, "reading"), d.rules.interval(sub.variable), number(o.value))
		})
	}
	for _, p := range s.departures {
		sub := subject{PowerCurve, variable.Names[variable.Power]}
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

// advice says what to do about a turbine that regularly logs less often than its
// interval says; it is "" for any other.
func (s Series) advice() string {
	if s.step == 0 {
		return ""
	}
	step := strings.Replace((time.Duration(s.step) * time.Microsecond).String(), "m0s", "m", 1)
	return fmt.Sprintf(" (they come every %s; if that is right: delfos turbine set %d --sample-interval %s)", step, s.Turbine, step)
}

// AddUnread takes a turbine with so many samples that were not read again, because they
// are those that no check found anything of.
func (d *Day) AddUnread(turbine int32, samples int) {
	d.Add(Series{Turbine: turbine, samples: samples, due: samples})
}

// Absent takes a turbine that could not be read for another reason than the order
// of its samples.
func (d *Day) Absent() { d.broken++ }

// Disorder takes a turbine whose samples were refused for their order.
func (d *Day) Disorder(turbine int32, why error) {
	d.broken++
	d.note(subject{Order, ""}, turbine, 1, why.Error)
}

// Compare compares the digest of the samples as they arrived with the source's own
// of afterwards, which is nil if the source has none, for the given reason.
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

// Result is what a check found of a variable.
type Result struct {
	Check    Name
	Variable string
	Status   enum.CheckStatus
	Faults   int64
	Detail   string
}

// Report is what is to be said of a day.
type Report struct {
	Results []Result // by check, then variable
	Flags   []Flag
}

// Warnings counts the results that did not pass.
func (r Report) Warnings() int {
	n := 0
	for _, result := range r.Results {
		if result.Status != enum.CheckStatusPass {
			n++
		}
	}
	return n
}

// Blocked returns the error of the results that forbid the load; nil if there
// are none. It is a *BlockedError. Order is not among them: the turbines that it
// points at have been refused already, and the others may be loaded.
func (r Report) Blocked() error {
	var e BlockedError
	for _, result := range r.Results {
		if result.Status == enum.CheckStatusBlock && result.Check != Order {
			e.Results = append(e.Results, result)
		}
	}
	if e.Results == nil {
		return nil
	}
	return &e
}

// BlockedError says what forbids the load of a day.
type BlockedError struct{ Results []Result }

func (e *BlockedError) Error() string {
	parts := make([]string, len(e.Results))
	for i, r := range e.Results {
		what := string(r.Check)
		if r.Variable != "" {
			what += " of " + r.Variable
		}
		parts[i] = fmt.Sprintf("the check %s blocks the day: %s", what, r.Detail)
	}
	return strings.Join(parts, "; ")
}

// named bounds how many turbines a detail names.
const named = 3

type finding struct {
	faults   int
	turbines int
	last     int32
	examples []string // the first of each of the first turbines
}

func (f *finding) add(turbine int32, faults int, example func() string) {
	f.faults += faults
	if f.turbines > 0 && f.last == turbine {
		return
	}
	f.turbines++
	f.last = turbine
	if len(f.examples) < named {
		f.examples = append(f.examples, fmt.Sprintf("turbine %d: %s", turbine, example()))
	}
}

func (f *finding) where() string {
	text := strings.Join(f.examples, ", ")
	if more := f.turbines - len(f.examples); more > 0 {
		text += fmt.Sprintf(", and %d more turbines", more)
	}
	return text
}

// Silent says of which variables the day has no reading, though it has samples.
func (d *Day) Silent() (silent [variable.Count]bool) {
	for i, turbines := range d.reporting {
		silent[i] = turbines == 0 && d.samples > 0
	}
	return silent
}

// Unlogged says that the turbines never had a reading of a silent variable: the farm does
// not log it, and none is missing.
func (d *Day) Unlogged(place int) {
	d.unlogged[place] = true
	if f := d.findings[subject{Completeness, variable.Names[place]}]; f != nil {
		*f = finding{}
	}
}

// Report judges the day, once, after the last turbine.
func (d *Day) Report() Report {
	for _, f := range d.frozen() {
		s := subject{Frozen, variable.Names[f.variable]}
		d.note(s, f.turbine, 1, f.String)
		for at := window.Start(f.first); at <= f.last; at += width {
			d.flag(s, f.turbine, at, f.String)
		}
	}
	r := Report{Flags: d.flags}
	for _, s := range d.rules.subjects() {
		f := d.findings[s]
		result := Result{Check: s.check, Variable: s.variable, Status: enum.CheckStatusPass, Faults: int64(f.faults), Detail: d.detail(s, f)}
		if f.faults > 0 {
			result.Status = enum.CheckStatusWarn
			if d.rules.rules[s].Severity == enum.SeverityBlock {
				result.Status = enum.CheckStatusBlock
			}
		}
		r.Results = append(r.Results, result)
	}
	return r
}

func (d *Day) detail(s subject, f *finding) string {
	turbines := counted(d.turbines, "turbine")
	if d.broken > 0 {
		turbines += fmt.Sprintf(", %d more could not be read", d.broken)
	}
	var passed, found string
	switch s.check {
	case Completeness:
		samples, readings := counted(d.samples, "sample"), counted(f.faults, "reading")
		passed, found = "no reading is missing in "+samples, readings+" missing in "+samples+": "
		if i := slices.Index(variable.Names[:], s.variable); i >= 0 && d.unlogged[i] {
			passed = "no reading is expected: the target has none of any day"
		}
		if s.variable == "" {
			passed = "no sample is missing of " + turbines
			found = fmt.Sprintf("%d of %s missing: ", f.faults, counted(d.expected, "sample"))
		}
	case Range:
		limits := d.rules.interval(s.variable)
		passed, found = "every reading within "+limits, counted(f.faults, "reading")+" outside "+limits+": "
	case Frozen:
		passed, found = "no flat run that neighbours don't share", counted(f.faults, "flat run")+": "
	case PowerCurve:
		passed, found = "no window far off its turbine's curve", counted(f.faults, "window")+" far off the curve: "
	case Order:
		passed = "every sample once and in order of time"
	case Digest:
		return cmp.Or(d.digest, "not compared: the day is not read as a whole")
	}
	if f.faults == 0 {
		return passed
	}
	return found + f.where()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
