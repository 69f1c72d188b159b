package param

import (
	"bytes"
	"cmp"
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

// properties are those of a body.
type properties []Param

// read refuses a body that is not what the contract declares, and tells all of its
// faults. The generated code that decodes it afterwards would tell only the first.
func (all properties) read(r *http.Request) error {
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
func (all properties) faults(body []byte) (faults []problem.Fault) {
	malformed := func(detail string) []problem.Fault {
		return []problem.Fault{problem.Unknown("body", detail)}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("is empty; want a JSON object with " + names(all, "body"))
	}
	if !json.Valid(body) {
		return malformed(notJSON(body))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return malformed("is no JSON object; want one with " + names(all, "body"))
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
		if f.Required && !seen[f.Name] {
			faults = append(faults, problem.Missing(f.Name))
		}
	}
	return faults
}

func notJSON(body []byte) string {
	var value any
	err := json.Unmarshal(body, &value)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("is no JSON: %s at byte %d", e.Error(), e.Offset)
	}
	return "is no JSON"
}

func (all properties) check(name string, value any, again bool) []problem.Fault {
	for _, f := range all {
		switch {
		case f.Name != name:
		case again:
			return []problem.Fault{problem.Invalid(name, show(value), "is given again; it may stand once")}
		default:
			if wrong := f.checkValue(value); wrong != "" {
				return []problem.Fault{problem.Invalid(name, show(value), wrong)}
			}
			return nil
		}
	}
	return []problem.Fault{problem.Unknown(name, "is not a property here; those are "+names(all, "body"))}
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

// checkValue is Check of a value of JSON.
func (p Param) checkValue(value any) string {
	if value == nil && p.Rule.Nullable {
		return ""
	}
	switch p.Rule.Type {
	case "boolean":
		_, ok := value.(bool)
		return unless(ok, "is neither true nor false")
	case "integer":
		number, _ := value.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		least, most := p.Rule.bounds()
		return unless(err == nil && n >= int64(least) && n <= int64(most), fmt.Sprintf("is not a whole number from %d to %d", least, most))
	}
	text, ok := value.(string)
	return cmp.Or(p.Check(text), unless(ok, "is no text"))
}
