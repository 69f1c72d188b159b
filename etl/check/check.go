// Package check looks at the samples of a day and says what is to be doubted. It
// is arithmetic alone: samples and windows in, results and flags out. It changes
// no value and drops none.
//
// A Reader follows one turbine after another, sample by sample, beside
// window.Aggregator. A Day takes the Series of each turbine and judges all of them
// together, for each variable that a check has a rule for (internal/checkrule has the
// defaults, the target's check_rule what somebody made of them).
//
//	check.go   the checks and their rules
//	reader.go  the samples of a turbine
//	frozen.go  its runs of equal readings
//	curve.go   its power curve
//	day.go     the turbines of a day, and the report
package check

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/checkrule"
)

// Name names a check.
type Name string

// The checks; docs/checks.md says what each counts, and why.
const (
	Completeness Name = "completeness" // samples and readings that are missing
	Digest       Name = "digest"       // a source that changed while it was read
	Frozen       Name = "frozen"       // a sensor that repeats one reading
	Order        Name = "order"        // samples that came twice or out of order of time
	PowerCurve   Name = "power_curve"  // windows far off the turbine's power curve of the day
	Range        Name = "range"        // readings outside the limits of the variable's rule
)

// Version grows when a check would find something else in the same samples:
// results and flags say by which version they were found.
func (n Name) Version() int32 {
	switch n {
	case Completeness, Frozen, PowerCurve:
		return 2
	default:
		return 1
	}
}

type subject struct {
	check    Name
	variable string
}

// Rules say how each check treats each variable.
type Rules struct {
	rules map[subject]checkrule.Rule
	// Until ends the time whose samples may be missed; zero is the end of the day.
	Until time.Time
	// Turbines say how each turbine logs. One that is not among them logs each minute.
	Turbines map[int32]Turbine
}

// A Turbine is how a turbine logs on a day.
type Turbine struct {
	Interval time.Duration
	Idle     bool // no sample is expected of it
}

// sampleInterval is the time from a turbine's sample to the next one, in microseconds.
func (r Rules) sampleInterval(turbine int32) int64 {
	if t, known := r.Turbines[turbine]; known {
		return t.Interval.Microseconds()
	}
	return minute
}

// expected is how many samples a turbine logs at least in so many microseconds.
func (r Rules) expected(turbine int32, length int64) int {
	if r.Turbines[turbine].Idle {
		return 0
	}
	return int(length / r.sampleInterval(turbine))
}

// end is the time of a day from which no sample is missed, in microseconds of Unix time.
func (r Rules) end(start time.Time) int64 {
	end := start.AddDate(0, 0, 1)
	if !r.Until.IsZero() && r.Until.Before(end) {
		end = r.Until
	}
	return max(end.UnixMicro(), start.UnixMicro())
}

// NewRules returns the default rules, replaced by those of set. A rule of set for
// an unknown check or variable is left out.
func NewRules(set []checkrule.Rule) Rules {
	rules := map[subject]checkrule.Rule{}
	for _, r := range checkrule.Defaults() {
		rules[subject{Name(r.Check), r.Variable}] = r
	}
	for _, r := range set {
		s := subject{Name(r.Check), r.Variable}
		if _, known := rules[s]; known {
			rules[s] = r
		}
	}
	return Rules{rules: rules}
}

// Made reports whether a check is made of a variable at all.
func (r Rules) Made(check Name, variable string) bool {
	rule, known := r.rules[subject{check, variable}]
	return known && rule.Severity != enum.SeverityOff
}

// subjects are the checks that are made, by name, then variable.
func (r Rules) subjects() []subject {
	var made []subject
	for _, d := range checkrule.Defaults() {
		if r.Made(Name(d.Check), d.Variable) {
			made = append(made, subject{Name(d.Check), d.Variable})
		}
	}
	return made
}

func (r Rules) limits() (low, high [variable.Count]float64) {
	for i, name := range variable.Names {
		low[i], high[i] = math.Inf(-1), math.Inf(1)
		if rule := r.rules[subject{Range, name}]; r.Made(Range, name) {
			if !math.IsNaN(rule.Low) {
				low[i] = rule.Low
			}
			if !math.IsNaN(rule.High) {
				high[i] = rule.High
			}
		}
	}
	return low, high
}

func (r Rules) interval(name string) string {
	low, high := r.limits()
	place := slices.Index(variable.Names[:], name)
	return fmt.Sprintf("[%s, %s] %s", number(low[place]), number(high[place]), variable.Units[place])
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
