package check

import (
	"fmt"
	"strings"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
)

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

// Warnings counts the results that are not passed.
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

// finding is what a check has found so far.
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

// where names turbines with an example each.
func (f *finding) where() string {
	text := strings.Join(f.examples, ", ")
	if more := f.turbines - len(f.examples); more > 0 {
		text += fmt.Sprintf(", and %d more turbines", more)
	}
	return text
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

// detail says in a sentence what a check found.
func (d *Day) detail(s subject, f *finding) string {
	i := place(s.variable)
	all := counted(d.turbines, "turbine")
	if d.broken > 0 {
		all += fmt.Sprintf(", %d more could not be read", d.broken)
	}
	passed := f.faults == 0
	switch s.check {
	case Completeness:
		switch {
		case s.variable == "" && passed:
			return "no sample is missing of " + all
		case s.variable == "":
			return fmt.Sprintf("%d of %s missing: %s", f.faults, counted(d.turbines*minutesPerDay, "sample"), f.where())
		case passed:
			return "no reading is missing in " + counted(d.samples, "sample")
		}
		return fmt.Sprintf("%s missing in %s: %s", counted(f.faults, "reading"), counted(d.samples, "sample"), f.where())
	case Range:
		if passed {
			return "every reading within " + d.rules.interval(i)
		}
		return fmt.Sprintf("%s outside %s: %s", counted(f.faults, "reading"), d.rules.interval(i), f.where())
	case Frozen:
		if passed {
			return "no flat run that neighbours don't share"
		}
		return fmt.Sprintf("%s: %s", counted(f.faults, "flat run"), f.where())
	case PowerCurve:
		if passed {
			return "no window far off its turbine's curve"
		}
		return fmt.Sprintf("%s far off the curve: %s", counted(f.faults, "window"), f.where())
	case Order:
		if passed {
			return "every sample once and in order of time"
		}
		return f.where()
	case Digest:
		if d.digest == "" {
			return "not compared: the day is not read as a whole"
		}
		return d.digest
	}
	return ""
}

// counted writes how many there are of something.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
