package param_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/param"
)

// Operations are told apart by method and path, whose segments are checked too.
func TestOperations(t *testing.T) {
	t.Parallel()
	id := param.Param{Name: "id", Path: true, Check: param.Whole(1, 1<<62)}
	handler := param.Operations{
		"/runs":              {{Name: "before", Check: param.Day}},
		"POST /runs":         nil,
		"/runs/{id}":         {id},
		"/runs/{id}/log":     {id, {Name: "after", Required: true, Check: param.Whole(0, 9)}},
		"POST /runs/{id}/go": {id},
	}.Middleware(func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for request, want := range map[string]string{
		"GET /runs?before=2025-01-01":   "",
		"HEAD /runs?before=x":           `before "x" is not a day such as 2025-01-01`,
		"GET /runs?before=2025-02-29":   `before "2025-02-29" is not a day such as 2025-01-01`,
		"POST /runs":                    "",
		"POST /runs?before=2025-01-01":  "before is not a parameter here; there are none",
		"GET /runs/4611686018427387904": "",
		"GET /runs/4611686018427387905": `id "4611686018427387905" is not a whole number from 1 to 4611686018427387904`,
		"GET /runs/0":                   `id "0" is not a whole number from 1 to 4611686018427387904`,
		"GET /runs/7?id=7":              "id is not a parameter here; there are none",
		"GET /runs/x/log?afte=1":        `id "x" is not a whole number from 1 to 4611686018427387904; afte is not a parameter here; those are after; after is required`,
		"GET /runs/7/log?after=0":       "",
		"POST /runs/x/go":               `id "x" is not a whole number from 1 to 4611686018427387904`,
		"POST /runs/7/go?x":             "x is not a parameter here; there are none",
		"GET /runs/7/go?x":              "", // no operation: another answers
		"DELETE /runs/x":                "",
		"GET /runs/7/other?x":           "",
		"GET /runs/?x":                  "",
		"GET /other?x":                  "",
	} {
		method, target, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if got := strings.TrimSpace(w.Body.String()); got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
}
