package param

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/delfos/delfos/server/problem"
)

// maxBody is how long a body may be, in bytes: some hundred times what any has
// to say.
const maxBody = 16 << 10

const jsonType = "application/json"

// fields are the properties of a body.
type fields []field

// field is one of them. check returns what is wrong with a value, as Param.Check
// does.
type field struct {
	name     string
	required bool
	check    func(value any) string
}

func fieldsOf(properties []Param) (all fields) {
	for _, p := range checked(properties) {
		check := text(p.Check)
		switch p.Rule.Type {
		case "boolean":
			check = boolean
		case "integer":
			check = whole(p.Rule.bounds())
		}
		if p.Rule.Nullable {
			ofValue := check
			check = func(value any) string {
				if value == nil {
					return ""
				}
				return ofValue(value)
			}
		}
		all = append(all, field{p.Name, p.Required, check})
	}
	return all
}

// read refuses a body that is not what the contract declares, and tells all of its
// faults. The generated code that decodes it afterwards would tell only the first,
// in its own words, and would take properties that it does not know.
func (all fields) read(r *http.Request) error {
	contentType := strings.Join(r.Header.Values("Content-Type"), ", ")
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != jsonType {
		return problem.UnsupportedMediaType(contentType, jsonType)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return problem.BadRequest("the body did not arrive whole")
	}
	if len(body) > maxBody {
		return problem.Parameters(problem.Unknown("body", fmt.Sprintf("is longer than %d bytes", maxBody)))
	}
	if faults := all.faults(body); len(faults) > 0 {
		return problem.Parameters(faults...)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// faults are those of a body: the first ones in its own order, then
// what is missing.
func (all fields) faults(body []byte) (faults []problem.Fault) {
	malformed := func(detail string) []problem.Fault {
		return []problem.Fault{problem.Unknown("body", detail)}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("is empty; want a JSON object with " + all.names())
	}
	if !json.Valid(body) {
		return malformed(notJSON(body))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return malformed("is no JSON object; want one with " + all.names())
	}
	seen := make(map[string]bool)
	for decoder.More() {
		// It is valid: neither can fail.
		name, _ := decoder.Token()
		var value any
		_ = decoder.Decode(&value)
		if key, ok := name.(string); ok && len(faults) < maxFaults {
			faults = append(faults, all.check(key, value, seen[key])...)
			seen[key] = true
		}
	}
	for _, f := range all {
		if f.required && !seen[f.name] {
			faults = append(faults, problem.Missing(f.name))
		}
	}
	return faults
}

// notJSON says where a text ceases to be JSON.
func notJSON(body []byte) string {
	var value any
	err := json.Unmarshal(body, &value)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("is no JSON: %s at byte %d", e.Error(), e.Offset)
	}
	return "is no JSON"
}

func (all fields) check(name string, value any, again bool) []problem.Fault {
	for _, f := range all {
		switch {
		case f.name != name:
		case again:
			return []problem.Fault{problem.Invalid(name, show(value), "is given again; it may stand once")}
		default:
			if wrong := f.check(value); wrong != "" {
				return []problem.Fault{problem.Invalid(name, show(value), wrong)}
			}
			return nil
		}
	}
	return []problem.Fault{problem.Unknown(name, "is not a property here; those are "+all.names())}
}

func (all fields) names() string {
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// show is a value as a problem tells it: a text as it is, anything else as JSON.
func show(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(b)
}

// text checks a value that must be a text, and the text.
func text(check func(string) string) func(any) string {
	return func(value any) string {
		s, ok := value.(string)
		if wrong := check(s); wrong != "" {
			return wrong
		}
		if !ok {
			return "is no text"
		}
		return ""
	}
}

func boolean(value any) string {
	if _, ok := value.(bool); !ok {
		return "is neither true nor false"
	}
	return ""
}

// whole checks a value that must be a whole number from least to most.
func whole(least, most int) func(any) string {
	return func(value any) string {
		number, _ := value.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil || n < int64(least) || n > int64(most) {
			return fmt.Sprintf("is not a whole number from %d to %d", least, most)
		}
		return ""
	}
}
