package param

import (
	"net/http"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/problem"
)

// find is the operation that a request asks for, with the segments of its path
// that are parameters, by name.
func (o Operations) find(r *http.Request) (params []Param, segments map[string]string, ok bool) {
	method := r.Method + " "
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		method = ""
	}
	if params, ok := o[method+r.URL.Path]; ok {
		return params, nil, true
	}
	for operation, params := range o {
		if path, ok := strings.CutPrefix(operation, method); ok {
			if segments, ok := match(path, r.URL.Path); ok {
				return params, segments, true
			}
		}
	}
	return nil, nil, false
}

// match holds a path against one with {names}.
func match(pattern, path string) (segments map[string]string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	segments = make(map[string]string)
	for i, w := range want {
		if name, ok := strings.CutPrefix(w, "{"); ok && got[i] != "" {
			segments[strings.TrimSuffix(name, "}")] = got[i]
		} else if w != got[i] {
			return nil, false
		}
	}
	return segments, len(segments) > 0
}

// checkPath are the faults of a path's segments.
func checkPath(segments map[string]string, params []Param) (faults []problem.Fault) {
	for _, p := range params {
		if value, ok := segments[p.Name]; ok && p.Path {
			if wrong := p.Check(value); wrong != "" {
				faults = append(faults, problem.Invalid(p.Name, value, wrong))
			}
		}
	}
	return faults
}

// Day checks a day.
func Day(value string) string {
	if t, err := time.Parse(time.DateOnly, value); err != nil || t.Year() < 1 {
		return "is not a day such as 2025-01-01"
	}
	return ""
}
