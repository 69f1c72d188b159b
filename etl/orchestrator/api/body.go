package api

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

	"github.com/delfos/delfos/internal/param"
	"github.com/delfos/delfos/internal/problem"
)

// maxBody is how long a body may be, in bytes: some hundred times what any has
// to say.
const maxBody = 16 << 10

const jsonType = "application/json"

// field is a property of a body. Check returns what is wrong with a value, as
// the end of a sentence that begins with the name and the value, or "".
type field struct {
	name     string
	required bool
	check    func(value any) string
}

// bodies are the properties of each operation's body; a test holds them against
// openapi.yaml.
func bodies() map[string][]field {
	return map[string][]field{
		"POST /runs": {
			{"from", true, text(param.Day)},
			{"to", true, text(param.Day)},
			{"only", false, text(param.OneOf("all", "missing", "failed", "stale"))},
			{"dry_run", false, boolean},
			{"allow_empty", false, boolean},
			{"allow_dates", false, boolean},
			{"parallel", false, orNull(whole(1, 1000))},
		},
		"PATCH /schedule": {
			{"paused", true, boolean},
		},
	}
}

// checkBodies refuses a body that is not what openapi.yaml declares, with all of
// its faults, before the generated code decodes it, which tells of the first in
// words of its own and takes what it does not know.
func checkBodies(next http.Handler) http.Handler {
	fields := bodies()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fields, ok := fields[r.Method+" "+r.URL.Path]; ok {
			body, err := readBody(r, fields)
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

func readBody(r *http.Request, fields []field) ([]byte, error) {
	contentType := strings.Join(r.Header.Values("Content-Type"), ", ")
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != jsonType {
		return nil, problem.UnsupportedMediaType(contentType, jsonType)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, problem.BadRequest("the body did not arrive whole")
	}
	if len(body) > maxBody {
		return nil, problem.Parameters(problem.Unknown("body", fmt.Sprintf("is longer than %d bytes", maxBody)))
	}
	faults := checkBody(body, fields)
	if len(faults) > 0 {
		return nil, problem.Parameters(faults...)
	}
	return body, nil
}

// maxFaults is how many faults of a body are told; what is missing always is.
const maxFaults = 20

// checkBody returns the faults of a body: the first ones in its own order, then
// what is missing.
func checkBody(body []byte, fields []field) (faults []problem.Fault) {
	malformed := func(detail string) []problem.Fault {
		return []problem.Fault{problem.Unknown("body", detail)}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("is empty; want a JSON object with " + names(fields))
	}
	if !json.Valid(body) {
		return malformed(notJSON(body))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return malformed("is no JSON object; want one with " + names(fields))
	}
	seen := make(map[string]bool)
	for decoder.More() {
		// It is valid: neither can fail.
		name, _ := decoder.Token()
		var value any
		_ = decoder.Decode(&value)
		if key, ok := name.(string); ok && len(faults) < maxFaults {
			faults = append(faults, checkField(key, value, seen[key], fields)...)
			seen[key] = true
		}
	}
	for _, f := range fields {
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

func checkField(name string, value any, again bool, fields []field) []problem.Fault {
	for _, f := range fields {
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
	return []problem.Fault{problem.Unknown(name, "is not a property here; those are "+names(fields))}
}

func names(fields []field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return strings.Join(all, ", ")
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
func whole(least, most int64) func(any) string {
	return func(value any) string {
		number, _ := value.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil || n < least || n > most {
			return fmt.Sprintf("is not a whole number from %d to %d", least, most)
		}
		return ""
	}
}

// orNull takes null too.
func orNull(check func(any) string) func(any) string {
	return func(value any) string {
		if value == nil {
			return ""
		}
		return check(value)
	}
}
