package param_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/delfos/delfos/server/param"
)

// What the contract says of an operation's path, query and body is checked.
func TestOperation(t *testing.T) {
	t.Parallel()
	id := param.Param{Name: "id", In: "path", Rule: param.Rule{Type: "integer", Format: "int64", Min: 1}}
	hook := param.Hook(func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	})
	router := chi.NewRouter()
	for _, o := range []param.Operation{
		{Method: "GET", Path: "/runs", Params: []param.Param{
			{Name: "before", In: "query", Rule: param.Rule{Type: "string", Format: "date"}},
			{Name: "format", In: "query", Rule: param.Rule{Type: "string", Enum: []string{"csv", "json"}}},
			{Name: "limit", In: "query", Rule: param.Rule{Type: "integer", Format: "int32"}},
			{Name: "word", In: "query", Rule: param.Rule{Type: "string", Pattern: "^[a-z]+$"}},
			{Name: "tz", In: "query", Rule: param.Rule{Type: "string", Format: "time-zone"}},
			{Name: "any", In: "query", Rule: param.Rule{Type: "string"}},
			{Name: "If-None-Match", In: "header", Rule: param.Rule{Type: "string"}},
		}},
		{Method: "POST", Path: "/runs", Body: []param.Param{{Name: "paused", In: "body", Required: true, Rule: param.Rule{Type: "boolean"}}}},
		{Method: "GET", Path: "/runs/{id}/log", Params: []param.Param{id, {Name: "after", In: "query", Required: true, Rule: param.Rule{Type: "integer", Max: 9}}}},
		{Method: "POST", Path: "/runs/{id}/go", Params: []param.Param{id}},
	} {
		router.Method(o.Method, o.Path, hook(o, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	for request, want := range map[string]string{
		"GET /runs?before=2025-01-01": "",
		"GET /runs?before=2025-02-29": `before "2025-02-29" is not a day such as 2025-01-01`,
		"GET /runs?format=xml":        `format "xml" is none of csv, json`,
		"GET /runs?limit=2147483648":  `limit "2147483648" is not a whole number from 0 to 2147483647`,
		"GET /runs?word=x1":           `word "x1" does not match ^[a-z]+$`,
		"GET /runs?tz=UTC":            "",
		"GET /runs?tz=../UTC":         `tz "../UTC" is not the name of a time zone such as Europe/Berlin`,
		"GET /runs?any=":              `any "" has an empty value; it must not be empty`,
		"GET /runs?if-none-match=x":   "if-none-match is not a parameter here; those are before, format, limit, word, tz, any",
		"POST /runs?before=x":         "before is not a parameter here; there are none",
		"POST /runs":                  "there is no Content-Type; want application/json",
		"GET /runs/x/log?afte=1":      `id "x" is not a whole number from 1 to 9223372036854775807; afte is not a parameter here; those are after; after is required`,
		"GET /runs/7/log?after=0":     "",
		"GET /runs/%37/log?after=0":   "",
		"GET /runs/7/log?after=10":    `after "10" is not a whole number from 0 to 9`,
		"POST /runs/x/go":             `id "x" is not a whole number from 1 to 9223372036854775807`,
		"POST /runs/7/go?id=7":        "id is not a parameter here; there are none",
	} {
		method, target, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if got := strings.TrimSpace(w.Body.String()); got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
}

// A body that is let through is one that its decoder takes whole.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"paused":true,"from":"2025-01-01"}`, `{"Paused":true}`, `{"paused":false,"paused":true}`, `{"paused":true,"from":null} {}`, "[]", ""} {
		f.Add(body)
	}
	hook := param.Hook(func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	})
	operation := param.Operation{Method: http.MethodPost, Path: "/runs", Body: []param.Param{
		{Name: "paused", In: "body", Required: true, Rule: param.Rule{Type: "boolean"}},
		{Name: "from", In: "body", Rule: param.Rule{Type: "string", Format: "date", Nullable: true}},
		{Name: "limit", In: "body", Rule: param.Rule{Type: "integer", Format: "int32", Min: 1}},
	}}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/runs", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		hook(operation, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var read struct {
				Paused *bool   `json:"paused"`
				From   *string `json:"from"`
				Limit  *int32  `json:"limit"`
			}
			decoder := json.NewDecoder(r.Body)
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&read); err != nil || read.Paused == nil || decoder.More() {
				t.Errorf("%q is let through: %v", body, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}
