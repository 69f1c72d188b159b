// Package param checks a request's query before the generated code binds it.
// Without this check that code would take unknown parameters, values outside an
// enum and empty or repeated ones. It stops at the first fault, and reads a list by
// commas or by repetition, never both. Here every fault is found at once, by name,
// and lists are taken both ways.
package param

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/problem"
)

// What one query may cost.
const (
	maxItems  = 9_000 // of all lists together
	maxFaults = 20    // told; a missing parameter always is
)

// Param is one parameter of an operation, or property of its body.
type Param struct {
	Name     string
	In       string // "query", "path", "header" or "body"
	Required bool
	List     bool // a,b and repetition; otherwise it may stand once
	Rule     Rule // of an item, if it is a list
	// Check returns what is wrong with a value, as the end of a sentence that
	// begins with the name and the value, or "". It is made of the Rule.
	Check func(value string) string
}

// Parse reads a raw query against params and returns its values, lists split,
// and its faults: the first ones in the order of the query, then what is missing.
func Parse(rawQuery string, params []Param) (url.Values, []problem.Fault) {
	q := query{params: params, values: make(url.Values)}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair != "" {
			q.add(pair)
		}
	}
	for _, p := range params {
		if p.Required && p.In == "query" && !q.values.Has(p.Name) {
			q.faults = append(q.faults, problem.Missing(p.Name))
		}
	}
	q.checkEnd()
	if len(q.faults) == 0 {
		q.faults = inZone(q.values, params)
	}
	return q.values, q.faults
}

// checkEnd faults a range that has no end or two of them, which OpenAPI can't say.
func (q *query) checkEnd() {
	_, ends := find(q.params, "end")
	_, befores := find(q.params, "before")
	switch end, before := q.values.Has("end"), q.values.Has("before"); {
	case !ends || !befores:
	case end && before:
		q.fault(problem.Invalid("before", q.values.Get("before"), "stands beside end; give one of them"))
	case !end && !before:
		q.faults = append(q.faults, problem.Unknown("end", "is required, or before in its place"))
	}
}

type query struct {
	params   []Param
	values   url.Values
	faults   []problem.Fault
	repeated []string // names that were given again, each faulted once
	items    int      // of all lists
}

// full reports whether there are faults enough: a query of some kilobytes must not be
// answered, nor searched, by the megabyte.
func (q *query) full() bool { return len(q.faults) >= maxFaults }

func (q *query) fault(f problem.Fault) {
	if !q.full() {
		q.faults = append(q.faults, f)
	}
}

func (q *query) add(pair string) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		q.fault(problem.Unknown(rawName, "has a name that is not percent-encoded"))
		return
	}
	p, ok := find(q.params, name)
	if !ok {
		q.fault(unknown(name, q.params))
		return
	}
	value, err := url.QueryUnescape(rawValue)
	switch {
	case err != nil:
		q.fault(problem.Invalid(name, rawValue, "is not percent-encoded"))
		q.values.Add(name, "") // there, so not missing too
	case p.List:
		for item := range strings.SplitSeq(value, ",") {
			q.item(p, item, value)
		}
	case q.values.Has(name):
		if !slices.Contains(q.repeated, name) {
			q.repeated = append(q.repeated, name)
			q.fault(problem.Invalid(name, value, "is given again; it may stand once"))
		}
	default:
		q.check(p, value, value)
	}
}

func (q *query) item(p Param, item, value string) {
	q.items++
	if q.items <= maxItems {
		q.check(p, item, value)
	} else if q.items == maxItems+1 {
		q.fault(problem.Unknown(p.Name, fmt.Sprintf("brings the query to more than %d items", maxItems)))
	}
}

func (q *query) check(p Param, item, value string) {
	q.values.Add(p.Name, item)
	if q.full() {
		return
	}
	if item == "" {
		q.fault(problem.Invalid(p.Name, value, "has an empty value; it "+p.Check("")))
	} else if wrong := p.Check(item); wrong != "" {
		q.fault(problem.Invalid(p.Name, item, wrong))
	}
}

func find(params []Param, name string) (Param, bool) {
	for _, p := range params {
		if p.Name == name && p.In == "query" {
			return p, true
		}
	}
	return Param{}, false
}

func unknown(name string, params []Param) problem.Fault {
	known := names(params, "query")
	if known == "" {
		return problem.Unknown(name, "is not a parameter here; there are none")
	}
	return problem.Unknown(name, "is not a parameter here; those are "+known)
}

// names lists the parameters of a part of a request.
func names(params []Param, in string) string {
	var all []string
	for _, p := range params {
		if p.In == in {
			all = append(all, p.Name)
		}
	}
	return strings.Join(all, ", ")
}

// Timestamp checks an instant.
func Timestamp(value string) string {
	if err := new(timestamp.Time).Bind(value); err != nil {
		return "is " + err.Error()
	}
	return ""
}

// Turbines checks one item of a turbine selector.
func Turbines(value string) string {
	_, err := selector.Parse(value)
	return unless(err == nil, "is not "+selector.Allowed)
}

// Whole checks that a value is a whole number from least to most, neither of
// them negative, in digits alone.
func Whole(least, most int) func(string) string {
	wrong := fmt.Sprintf("is not a whole number from %d to %d", least, most)
	return func(value string) string {
		n, err := strconv.ParseUint(value, 10, 63) // takes no sign
		return unless(err == nil && n >= uint64(least) && n <= uint64(most), wrong)
	}
}

// Span is what start, end and turbines say together.
type Span struct {
	Start, End time.Time     // both inclusive, in whole microseconds
	Turbines   *selector.Set // nil when the request does not say
}

// SpanOf is the span of parameters that were checked one by one, of which either
// end or before is given.
func SpanOf(start timestamp.Time, end, before *timestamp.Time, turbines *[]string) (Span, error) {
	s := Span{Start: start.Time()}
	contradiction := "start must not be later than end"
	if before != nil {
		s.End = before.Time().Add(-time.Microsecond)
		contradiction = "start must be earlier than before"
	} else {
		s.End = end.Time()
	}
	if s.End.Before(s.Start) {
		return Span{}, problem.BadRequest(contradiction)
	}
	if turbines != nil {
		set, err := selector.Parse(strings.Join(*turbines, ","))
		if err != nil {
			return Span{}, err // each item was checked: a fault of ours
		}
		s.Turbines = &set
	}
	return s, nil
}

// FleetSpanOf is SpanOf, of all turbines unless they say otherwise.
func FleetSpanOf(start timestamp.Time, end, before *timestamp.Time, turbines *[]string) (Span, error) {
	span, err := SpanOf(start, end, before, turbines)
	if span.Turbines == nil {
		span.Turbines = new(selector.All())
	}
	return span, err
}

// TurbineSpanOf is which samples or windows count for the ends of turbines: those from
// start to end, or all that can be written (package timestamp).
func TurbineSpanOf(asked bool, start, end *timestamp.Time) (Span, error) {
	for _, bound := range []struct {
		name string
		at   *timestamp.Time
	}{{"start", start}, {"end", end}} {
		if bound.at != nil && !asked {
			return Span{}, problem.Parameters(problem.Invalid(bound.name, bound.at.String(), "goes with span=true alone"))
		}
	}
	last := dates.Last().AddDate(0, 0, 1).Add(-time.Microsecond)
	return SpanOf(Or(start, timestamp.New(dates.First())), new(Or(end, timestamp.New(last))), nil, nil)
}

// Long reports whether the span is longer than a day, in whatever zone.
func (s Span) Long() bool { return s.End.Sub(s.Start) > 25*time.Hour }

// Filename is what an answer is saved as: what it holds, from when to when.
func (s Span) Filename(of string) string {
	const layout = "20060102T150405Z"
	return of + "_" + s.Start.Format(layout) + "_" + s.End.Format(layout)
}

// Or is the value of a parameter, or its default.
func Or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// Date is a day that may be unknown, as the generated types have it.
func Date(day *time.Time) *openapi_types.Date {
	if day == nil {
		return nil
	}
	return &openapi_types.Date{Time: *day}
}
