package apidocs_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/server/apidocs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mount serves a contract as the source's server does.
func mount(spec string) func(path string, header ...string) *httptest.ResponseRecorder {
	r := chi.NewRouter()
	apidocs.Mount(r, "Delfos test", "source", []byte(spec))
	return func(path string, header ...string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	get := mount(string(spec))
	w := get("/openapi.yaml")
	if w.Body.String() != string(spec) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("/openapi.yaml is not the file, byte for byte: %d, %v", w.Code, w.Header())
	}
	if again := get("/openapi.yaml", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("asked again it is %d, want 304", again.Code)
	}
	w = get("/openapi.json")
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("/openapi.json: %v, %v", err, w.Header())
	}
	want := []string{"/data", "/data/changes", "/data/digest", "/health", "/ready", "/turbines"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(doc.Paths))); doc.OpenAPI != "3.1.0" || diff != "" {
		t.Errorf("/openapi.json is of %s; its paths (-want +got):\n%s", doc.OpenAPI, diff)
	}
	for _, address := range doc.Servers {
		if strings.HasSuffix(address.URL, ":3000") {
			t.Errorf("/openapi.json names the server %s", address.URL)
		}
	}
	for _, unwanted := range []string{`"x-`, "externalValue", "likewise.", "RunPlan"} {
		if strings.Contains(w.Body.String(), unwanted) {
			t.Errorf("/openapi.json has %s", unwanted)
		}
	}
}

// A document has a server's operations, what they lead to, and no more.
func TestOneServerOfTwo(t *testing.T) {
	t.Parallel()
	get := mount(`
servers: [{ url: / }]
tags: [{ name: source }, { name: target }, { name: health }]
paths:
  /both:
    get: { tags: [source, target, health], schema: { $ref: "#/components/schemas/A" } }
    post: { tags: [target], schema: { $ref: "#/components/schemas/C" } }
  /mine: { servers: [{ url: /here }], parameters: [{ $ref: "#/components/parameters/P" }], get: { tags: [source] } }
  /theirs: { get: { tags: [target], schema: { $ref: "#/components/schemas/C" } } }
components:
  parameters: { P: { name: p } }
  headers: { H: { description: nobody's } }
  schemas:
    A: { items: { $ref: "#/components/schemas/B" } }
    B: { items: { $ref: "#/components/schemas/A" } }
    C: { type: string }
`)
	ref := func(to string) any { return map[string]any{"$ref": "#/components/" + to} }
	type m = map[string]any
	want := m{
		"servers": []any{m{"url": "/here"}},
		"tags":    []any{m{"name": "source"}, m{"name": "health"}},
		"paths": m{
			"/both": m{"get": m{"tags": []any{"source", "health"}, "schema": ref("schemas/A")}},
			"/mine": m{"parameters": []any{ref("parameters/P")}, "get": m{"tags": []any{"source"}}},
		},
		"components": m{
			"parameters": m{"P": m{"name": "p"}},
			"schemas":    m{"A": m{"items": ref("schemas/B")}, "B": m{"items": ref("schemas/A")}},
		},
	}
	var got m
	if err := json.Unmarshal(get("/openapi.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSONIsTheYAML(t *testing.T) {
	t.Parallel()
	get := mount("info:\n  \"200\": { on: true, n: 1, f: 1.5, none: null, at: \"2025-01-01\", list: [a, \"<b>\"] }\n")
	want := map[string]any{"info": map[string]any{"200": map[string]any{
		"on": true, "n": 1.0, "f": 1.5, "none": nil, "at": "2025-01-01", "list": []any{"a", "<b>"},
	}}}
	var got map[string]any
	if err := json.Unmarshal(get("/openapi.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := mount("a: [")("/openapi.json"); w.Code != http.StatusInternalServerError {
		t.Errorf("YAML that is none is answered with %d", w.Code)
	}
}

// What a page loads, it loads from this server; and should a script try
// otherwise, the browser is told not to.
func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	get := mount("openapi: 3.1.0\n")
	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	for _, page := range []string{"/docs", "/redoc"} {
		w := get(page)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Fatalf("%s: %d %v", page, w.Code, w.Header())
		}
		if !strings.Contains(w.Body.String(), "Delfos test") || !strings.Contains(w.Body.String(), "/openapi.json") {
			t.Errorf("%s has not the title or the contract:\n%s", page, w.Body)
		}
		for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), ";") {
			if regexp.MustCompile(`https?:|\*`).MatchString(directive) {
				t.Errorf("%s may load from elsewhere: %s", page, directive)
			}
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s has no policy", page)
		}
		found := loads.FindAllStringSubmatch(w.Body.String(), -1)
		if len(found) == 0 {
			t.Errorf("%s loads nothing", page)
		}
		for _, m := range found {
			if strings.HasPrefix(m[1], "data:") {
				continue
			}
			if !strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], "//") {
				t.Errorf("%s loads %s", page, m[1])
				continue
			}
			if part := get(m[1], "Accept-Encoding", "gzip"); part.Code != http.StatusOK || part.Body.Len() == 0 {
				t.Errorf("%s: %s is %d", page, m[1], part.Code)
			}
		}
	}
	if w := get("/redoc/LICENSE"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "MIT") {
		t.Errorf("ReDoc's licence: %d", w.Code)
	}
}
