package verify

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Verdict is the result of comparing a day.
type Verdict string

// The verdicts.
const (
	Clean     Verdict = "clean"     // every value is there and right, and no other
	Different Verdict = "different" // it should be what the source makes, and is not
	Stale     Verdict = "stale"     // it differs, and its source has changed or it is being loaded
	Unloaded  Verdict = "unloaded"  // it differs, and the ledger does not say that it is loaded
	Pruned    Verdict = "pruned"    // its values or samples were removed on purpose; nothing was compared
)

// Kind is what is wrong with a value.
type Kind string

// The kinds.
const (
	Missing        Kind = "missing"         // it should be there
	Extra          Kind = "extra"           // it should not be there
	Wrong          Kind = "wrong"           // it should be another
	UnknownTurbine Kind = "unknown_turbine" // it is of a turbine that the source does not have
	// Unreadable: the source does not give the turbine's readings, or they make
	// values that the target can't hold.
	Unreadable Kind = "unreadable"
)

// Number is a float64. In JSON, which has no infinities and no NaN, those are
// strings.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.AppendQuote(nil, n.String()), nil
	}
	return []byte(n.String()), nil
}

// String is the shortest decimal that reads back as n.
func (n Number) String() string { return strconv.FormatFloat(float64(n), 'g', -1, 64) }

// Place names a value of the target; Window is its start.
type Place struct {
	Day     string    `json:"day"`
	Turbine int32     `json:"turbine"`
	Signal  string    `json:"signal,omitempty"`
	Window  time.Time `json:"window,omitzero"`
}

// String names what there is to name.
func (p Place) String() string {
	text := fmt.Sprintf("%s  turbine %d", p.Day, p.Turbine)
	if p.Signal != "" {
		text += "  " + p.Signal + "  " + p.Window.Format(time.RFC3339Nano)
	}
	return text
}

// Deviation is how far a value is from the one that should be there: Relative is
// the difference over the larger of the two.
type Deviation struct {
	Place

	Got      Number `json:"got"`
	Want     Number `json:"want"`
	Relative Number `json:"relative"`
}

// Finding is one difference. Got is what the target holds, Want what it should.
type Finding struct {
	Place

	Kind     Kind    `json:"kind"`
	Got      *Number `json:"got,omitempty"`
	Want     *Number `json:"want,omitempty"`
	Relative *Number `json:"relative,omitempty"`
	// Values is how many an unknown turbine has.
	Values int64 `json:"values,omitempty"`
	// Error is why a turbine is unreadable.
	Error string `json:"error,omitempty"`
}

// String is the finding in a line.
func (f Finding) String() string {
	switch f.Kind {
	case Missing:
		return fmt.Sprintf("%s  missing: want %s", f.Place, f.Want)
	case Extra:
		return fmt.Sprintf("%s  should not be there: got %s", f.Place, f.Got)
	case UnknownTurbine:
		return fmt.Sprintf("%s  %d values, and the source has no such turbine", f.Place, f.Values)
	case Unreadable:
		return fmt.Sprintf("%s  can't be computed: %s", f.Place, f.Error)
	default:
		return fmt.Sprintf("%s  got %s, want %s, relative difference %.3g", f.Place, f.Got, f.Want, float64(*f.Relative))
	}
}

// Counts add up differences: values of the first three kinds, turbines of the
// others.
type Counts struct {
	Missing         int64 `json:"missing"`
	Extra           int64 `json:"extra"`
	Wrong           int64 `json:"wrong"`
	UnknownTurbines int64 `json:"unknown_turbines"`
	Unreadable      int64 `json:"unreadable"`
}

// Total is how many differences there are.
func (c Counts) Total() int64 {
	return c.Missing + c.Extra + c.Wrong + c.UnknownTurbines + c.Unreadable
}

// String names the counts that are not zero.
func (c Counts) String() string {
	var parts []string
	for _, part := range []struct {
		n          int64
		noun, what string
	}{
		{c.Missing, "value", "missing"},
		{c.Wrong, "value", "wrong"},
		{c.Extra, "value", "that should not be there"},
		{c.UnknownTurbines, "turbine", "that the source has not"},
		{c.Unreadable, "turbine", "that can't be computed"},
	} {
		switch {
		case part.n == 1:
			parts = append(parts, "1 "+part.noun+" "+part.what)
		case part.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss %s", part.n, part.noun, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

func (c Counts) plus(o Counts) Counts {
	return Counts{
		Missing: c.Missing + o.Missing, Extra: c.Extra + o.Extra, Wrong: c.Wrong + o.Wrong,
		UnknownTurbines: c.UnknownTurbines + o.UnknownTurbines, Unreadable: c.Unreadable + o.Unreadable,
	}
}

// Day is the comparison of one day. Values is how many values were compared.
type Day struct {
	Counts

	Day     string  `json:"day"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"` // of a day that is stale or not loaded
	Values  int64   `json:"values"`
}

// String is the day in a line.
func (d Day) String() string {
	text := fmt.Sprintf("%s  %s", d.Day, d.Verdict)
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if d.Total() > 0 {
		text += " (" + d.Counts.String() + ")"
	}
	return text
}

// Report is what Run found. The counts and Worst are of days that are clean or
// different; stale and unloaded days are only listed in NotClean.
type Report struct {
	Counts

	From      string     `json:"from"` // empty when no day was compared
	To        string     `json:"to"`
	Days      int        `json:"days"`
	Clean     int        `json:"clean"`
	Different int        `json:"different"`
	Stale     int        `json:"stale"`
	Unloaded  int        `json:"unloaded"`
	Pruned    int        `json:"pruned"`
	Values    int64      `json:"values"`
	Worst     *Deviation `json:"worst"`    // null when no value differs at all
	Findings  []Finding  `json:"findings"` // the first ones, in the order of days
	Omitted   int64      `json:"omitted"`  // how many more there are
	NotClean  []Day      `json:"not_clean"`
	Seconds   float64    `json:"seconds"`
}

// OK reports whether the target holds what the source makes on every day, but for those
// that were pruned.
func (r Report) OK() bool { return r.Clean+r.Pruned == r.Days }

// enter adds a day to the report. Days have to come in order.
func (d *comparison) enter(r *Report) {
	r.From = cmp.Or(r.From, d.Day.Day)
	r.To = d.Day.Day
	r.Days++
	switch d.Verdict {
	case Clean:
		r.Clean++
	case Different:
		r.Different++
	case Stale:
		r.Stale++
	case Unloaded:
		r.Unloaded++
	case Pruned:
		r.Pruned++
	}
	r.Values += d.Values
	if d.Verdict != Clean && d.Verdict != Pruned {
		r.NotClean = append(r.NotClean, d.Day)
	}
	if d.Verdict == Stale || d.Verdict == Unloaded {
		return
	}
	r.Counts = r.plus(d.Counts)
	if d.worst != nil && (r.Worst == nil || d.worst.Relative > r.Worst.Relative) {
		r.Worst = d.worst
	}
	taken := min(len(d.findings), d.limit-len(r.Findings))
	r.Findings = append(r.Findings, d.findings[:taken]...)
	r.Omitted += d.Total() - int64(taken)
}
