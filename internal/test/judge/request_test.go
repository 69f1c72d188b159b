package judge_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// schema is what a request is made from.
type schema struct {
	Ref                  string `json:"$ref"`
	Type, Format         any
	Pattern              string
	Enum                 []string
	Minimum, Maximum     *float64
	MaxLength            int
	Items                *schema
	Properties           map[string]schema
	Required             []string
	AdditionalProperties any
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Required bool
	Schema   schema
	Example  any
}

// operation is one of the contract.
type operation struct {
	OperationID string
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]any
	}

	method, path string
}

// document is the contract that a server serves.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]schema
	}
}

// operations are those of the contract, what writes after what reads.
func (d document) operations() (all []operation) {
	for path, item := range d.Paths {
		for method, o := range item {
			o.method, o.path = strings.ToUpper(method), path
			for i, p := range o.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					o.Parameters[i] = d.Components.Parameters[name]
				}
			}
			all = append(all, o)
		}
	}
	order := map[string]int{http.MethodGet: 0, http.MethodPost: 1, http.MethodPatch: 2, http.MethodDelete: 3}
	slices.SortFunc(all, func(a, b operation) int {
		return cmp.Or(order[a.method]-order[b.method], strings.Compare(a.path, b.path))
	})
	return all
}

func (d document) resolve(s schema) schema {
	for s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// request is one that was made.
type request struct {
	method, target, body string
	headers              []string
	wrong                []string // what the contract does not allow of it
}

func (r request) String() string {
	return fmt.Sprintf("%s %s %q %s, wrong: %q", r.method, r.target, r.headers, r.body, r.wrong)
}

// make draws a request: most parameters are right, and one of a few is not.
func (d document) make(t *rapid.T, o operation) request {
	r := request{method: o.method}
	query, path := url.Values{}, o.path
	for _, p := range o.Parameters {
		if !p.Required && rapid.IntRange(0, 9).Draw(t, "with "+p.Name) > 2 {
			continue
		}
		if p.Schema.Format == "cursor" && !oneIn(t, 5, "a cursor") { // it is wrong in any case
			continue
		}
		if p.Required && p.In == "query" && oneIn(t, 20, "without "+p.Name) {
			r.wrong = append(r.wrong, p.Name+" is missing")
			continue
		}
		text, wrong := d.text(t, p)
		if wrong {
			r.wrong = append(r.wrong, fmt.Sprintf("%s=%q", p.Name, text))
		}
		switch p.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(text))
		case "header":
			r.headers = append(r.headers, p.Name+": "+text)
		default:
			query.Add(p.Name, text)
			if d.resolve(p.Schema).Type != "array" && oneIn(t, 25, "twice "+p.Name) {
				query.Add(p.Name, text)
				r.wrong = append(r.wrong, p.Name+" is there twice")
			}
		}
	}
	if oneIn(t, 25, "an unknown parameter") {
		query.Set("colour", "blue")
		r.wrong = append(r.wrong, "colour is unknown")
	}
	r.target = path
	if len(query) > 0 {
		r.target += "?" + query.Encode()
	}
	if o.RequestBody != nil {
		d.fill(t, &r, o.RequestBody.Content["application/json"].Schema)
	}
	return r
}

// fill makes the body.
func (d document) fill(t *rapid.T, r *request, of schema) {
	kind := "application/json"
	if oneIn(t, 15, "another content type") {
		kind = "text/plain"
		r.wrong = append(r.wrong, "the body is text/plain")
	}
	r.headers = append(r.headers, "Content-Type: "+kind)
	if oneIn(t, 15, "no JSON") {
		r.body = rapid.SampledFrom([]string{"", "{", "[]", "null", "7", `{"from":`, "{} {}"}).Draw(t, "body")
		r.wrong = append(r.wrong, "the body is not an object")
		return
	}
	of = d.resolve(of)
	body := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(of.Properties)) {
		required := slices.Contains(of.Required, name)
		if required && oneIn(t, 15, "without "+name) {
			r.wrong = append(r.wrong, name+" is missing")
			continue
		}
		if !required && rapid.IntRange(0, 9).Draw(t, "with "+name) > 3 {
			continue
		}
		if oneIn(t, 15, "another type of "+name) {
			body[name] = map[string]any{"a": 1}
			r.wrong = append(r.wrong, name+" is an object")
			continue
		}
		text, wrong := d.value(t, of.Properties[name], name)
		if wrong {
			r.wrong = append(r.wrong, fmt.Sprintf("%s is %q", name, text))
		}
		body[name] = text
		if kind := d.resolve(of.Properties[name]).Type; kind != "string" && json.Valid([]byte(text)) {
			body[name] = json.RawMessage(text)
		}
	}
	if oneIn(t, 15, "an unknown property") {
		body["colour"] = "blue"
		r.wrong = append(r.wrong, "colour is unknown")
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r.body = string(text)
}

// text is a parameter's value.
func (d document) text(t *rapid.T, p parameter) (text string, wrong bool) {
	if p.Example != nil && rapid.Bool().Draw(t, "the example of "+p.Name) {
		if list, ok := p.Example.([]any); ok {
			var items []string
			for _, item := range list {
				items = append(items, fmt.Sprint(item))
			}
			return strings.Join(items, ","), false
		}
		if number, ok := p.Example.(float64); ok && number == math.Trunc(number) {
			return fmt.Sprintf("%.0f", number), false
		}
		return fmt.Sprint(p.Example), false
	}
	text, wrong = d.value(t, p.Schema, p.Name)
	if p.In == "path" && text == "" {
		return "-", true
	}
	return text, wrong
}

// value draws one of a schema's, or, more seldom, one that it does not allow.
func (d document) value(t *rapid.T, s schema, name string) (text string, wrong bool) {
	s = d.resolve(s)
	wrong = oneIn(t, 8, name+" is wrong")
	from := func(right, bad []string) (string, bool) {
		if wrong && len(bad) > 0 {
			return rapid.SampledFrom(bad).Draw(t, name), true
		}
		return rapid.SampledFrom(right).Draw(t, name), false
	}
	switch {
	case len(s.Enum) > 0:
		return from(s.Enum, []string{"nothing", strings.ToUpper(s.Enum[0]), s.Enum[0] + " ", "\x00", "%"})
	case s.Type == "array":
		first, bad := d.value(t, *s.Items, name)
		second, worse := d.value(t, *s.Items, name)
		if rapid.Bool().Draw(t, "two of "+name) {
			return first + "," + second, bad || worse
		}
		return first, bad
	case s.Type == "boolean":
		return from([]string{"true", "false"}, []string{"maybe", "2", "null"})
	case s.Type == "integer" || s.Type == "number":
		least, most := 0.0, 100.0
		bad := []string{"x", "NaN", "1e400", "-", "0x10", "99999999999999999999"}
		if s.Minimum != nil {
			least = *s.Minimum
			most = least + 100
			bad = append(bad, fmt.Sprint(least-1))
		}
		if s.Maximum != nil {
			most = *s.Maximum
			bad = append(bad, fmt.Sprintf("%.0f", most+1))
		}
		if s.Type == "integer" {
			bad = append(bad, "1.5")
			return from([]string{fmt.Sprintf("%.0f", least), fmt.Sprintf("%.0f", most), fmt.Sprintf("%.0f", least+1)}, bad)
		}
		return from([]string{fmt.Sprint(least), fmt.Sprint(most), "1"}, bad)
	case s.Format == "date":
		return from([]string{"2025-01-01", "2025-01-02", "2025-01-03", "2024-02-29", "1979-12-31"}, []string{"2025-02-30", "2025-1-1", "x", "2025-01-01T00:00:00Z", "10000-01-01", "\x00"})
	case s.Format == "date-time":
		return from([]string{"2025-01-01", "2025-01-01T00:00:00Z", "2025-01-01T12:00:00+05:30", "2025-01-02T23:59:59.999999", "2025-01-03", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"},
			[]string{"2025-01-01T00:00:00.0000001Z", "2025-02-30", "x", "2025-01-01T25:00:00Z", "now", "\x00"})
	case s.Format == "time-zone":
		return from([]string{"Europe/Berlin", "UTC", "Asia/Kathmandu"}, []string{"Mars/Olympus", "Local", "../zone", "\x00"})
	case s.Format == "turbine-selector":
		return from([]string{"1", "2", "1-2", "all", "2147483647"}, []string{"0", "x", "2-1", "-1", "1-", "2147483648", "1;2"})
	case s.Format == "cursor":
		return rapid.SampledFrom([]string{"x", "e30", "////", strings.Repeat("A", 5000)}).Draw(t, name), true
	case s.Pattern != "":
		return from([]string{"0", "1", "999999999999999999"}, []string{"x", "-1", "1.5", "9999999999999999999"})
	case s.MaxLength > 0:
		return from([]string{"a", fmt.Sprint("key-", rapid.IntRange(0, 1<<30).Draw(t, name)), strings.Repeat("k", s.MaxLength)}, []string{strings.Repeat("k", s.MaxLength+1)})
	default:
		return rapid.SampledFrom([]string{"*", `"a"`, `W/"a", "b"`, "a", `"`, ",,"}).Draw(t, name), false
	}
}

func oneIn(t *rapid.T, n int, what string) bool { return rapid.IntRange(1, n).Draw(t, what) == n }
