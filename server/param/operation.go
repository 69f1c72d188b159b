package param

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Zones by name, also where the system has no database of them.

	"github.com/go-chi/chi/v5"

	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

// Operation is what the contract says of an operation's requests; the servers'
// tables of them are generated.
type Operation struct {
	ID, Method, Path string
	Tags             []string
	Scope            string // that a client has to have; empty: everybody may ask
	Params           []Param
	Body             []Param  // the properties of a JSON object; nil: no body is read
	Produces         []string // the media types of its answer
}

// Rule is what a schema says of a value. Without a Max it is that of the Format. Step is
// that of a number, of which it has to be a multiple.
type Rule struct {
	Type, Format, Pattern string
	Enum                  []string
	Min, Max, Step        float64
	Nullable              bool
}

// Noted says which operation answers a request, for its metrics, span and log line. It
// goes before the hooks that may refuse the request.
func Noted(o Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpserve.NoteOperation(r.Context(), o.ID)
		tracing.Operation(r.Context(), o.ID, o.Method, o.Path)
		next.ServeHTTP(w, r)
	})
}

// Hook returns what checks the requests of an operation before next is asked: fail
// answers a faulty one, with all its faults. A sound one goes on with each list of its
// query in one value, as the generated code reads lists.
func Hook(fail func(http.ResponseWriter, *http.Request, error)) func(Operation, http.Handler) http.Handler {
	return func(o Operation, next http.Handler) http.Handler {
		params, body := checked(o.Params), properties(checked(o.Body))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			values, faults := Parse(r.URL.RawQuery, params)
			faults = append(checkPath(r, params), faults...)
			if len(faults) > 0 {
				fail(w, r, problem.Parameters(faults...))
				return
			}
			joined := *r.URL
			for _, p := range params {
				if p.List && values.Has(p.Name) {
					values.Set(p.Name, strings.Join(values[p.Name], ","))
				}
			}
			joined.RawQuery = values.Encode()
			sound := r.WithContext(r.Context()) // a copy; the log keeps the query as it came
			sound.URL = &joined
			if body != nil {
				if err := body.read(sound); err != nil {
					fail(w, r, err)
					return
				}
			}
			next.ServeHTTP(w, sound)
		})
	}
}

func checked(params []Param) []Param {
	for i, p := range params {
		if p.Check == nil {
			params[i].Check = checkOf(p.Rule)
		}
	}
	return params
}

func checkOf(r Rule) func(string) string {
	switch {
	case r.Format == "date":
		return Day
	case r.Format == "date-time":
		return Timestamp
	case r.Format == "cursor":
		return Cursor
	case r.Format == "time-zone":
		return Zone
	case r.Format == "turbine-selector":
		return Turbines
	case r.Format == "signal-name":
		return OneOf(signal.Names()...)
	case len(r.Enum) > 0:
		return OneOf(r.Enum...)
	case r.Type == "boolean":
		return OneOf("false", "true")
	case r.Type == "integer":
		return Whole(r.bounds())
	case r.Type == "number":
		return r.number
	case r.Pattern != "":
		pattern := regexp.MustCompile(r.Pattern)
		return func(value string) string { return unless(pattern.MatchString(value), "does not match "+r.Pattern) }
	}
	return func(value string) string { return unless(value != "", "must not be empty") }
}

func (r Rule) bounds() (least, most int) {
	switch {
	case r.Max > 0:
		return int(r.Min), int(r.Max)
	case r.Format == "int32":
		return int(r.Min), math.MaxInt32
	}
	return int(r.Min), math.MaxInt64
}

// number checks a multiple of Step from Min to Max, of which Step is a part of 1.
func (r Rule) number(value string) string {
	n, err := strconv.ParseFloat(value, 64)
	parts := math.Round(1 / r.Step)
	ok := err == nil && n >= r.Min && n <= r.Max && math.Round(n*parts)/parts == n
	return unless(ok, fmt.Sprintf("is not a number from %v to %v in steps of %v", r.Min, r.Max, r.Step))
}

// inZone writes the instants of a query that have no offset as those of its time
// zone, if it has one.
func inZone(values url.Values, params []Param) (faults []problem.Fault) {
	zone, err := time.LoadLocation(values.Get("tz"))
	if !values.Has("tz") || err != nil { // as Zone has made sure
		return nil
	}
	for _, p := range params {
		value := values.Get(p.Name)
		if p.Rule.Format != "date-time" || value == "" {
			continue
		}
		var at timestamp.Time
		if err := at.BindIn(value, zone); err != nil {
			faults = append(faults, problem.Invalid(p.Name, value, "is "+err.Error()))
		}
		values.Set(p.Name, at.String())
	}
	return faults
}

func checkPath(r *http.Request, params []Param) (faults []problem.Fault) {
	for _, p := range params {
		if p.In != "path" {
			continue
		}
		value := chi.URLParam(r, p.Name)
		if plain, err := url.PathUnescape(value); err == nil && r.URL.RawPath != "" {
			value = plain
		}
		if wrong := p.Check(value); wrong != "" {
			faults = append(faults, problem.Invalid(p.Name, value, wrong))
		}
	}
	return faults
}

// Malformed is the error of a parameter that the generated code can't bind.
func Malformed(name string) error { return problem.Parameters(problem.Unknown(name, "is malformed")) }

// Repeated is the error of a header that stands several times.
func Repeated(name string) error {
	return problem.Parameters(problem.Unknown(name, "may stand once"))
}

// unless is what is wrong with a value that is not ok.
func unless(ok bool, wrong string) string {
	if ok {
		return ""
	}
	return wrong
}

// Day checks a day.
func Day(value string) string {
	t, err := time.Parse(time.DateOnly, value)
	return unless(err == nil && t.Year() >= 1, "is not a day such as 2025-01-01")
}

// Zone checks the name of a time zone.
func Zone(value string) string {
	_, err := time.LoadLocation(value)
	return unless(err == nil && value != "" && value != "Local", "is not the name of a time zone such as Europe/Berlin")
}

// OneOf checks that a value is one of those allowed.
func OneOf(allowed ...string) func(string) string {
	known := make(map[string]bool, len(allowed))
	for _, value := range allowed {
		known[value] = true
	}
	wrong := "is none of " + strings.Join(allowed, ", ")
	return func(value string) string { return unless(known[value], wrong) }
}
