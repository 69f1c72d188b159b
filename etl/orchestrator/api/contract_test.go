package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is what the tests need of openapi.json.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]struct {
			Properties map[string]any
			Required   []string
		}
	}
}

type operation struct {
	Tags       []string
	Parameters []struct {
		parameter

		Ref string `json:"$ref"`
	}
	RequestBody struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	Responses map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]any
	}
}

type parameter struct {
	Name     string
	In       string
	Required bool
	Example  any
}

// contract reads the document that the API shows.
func (b *bundle) contract() document {
	b.t.Helper()
	var doc document
	if err := json.Unmarshal([]byte(b.get("/openapi.json").body), &doc); err != nil {
		b.t.Fatal(err)
	}
	return doc
}

// operations are those of the target API, by method and path: "GET /runs".
func (d document) operations(tb testing.TB) map[string]operation {
	tb.Helper()
	operations := make(map[string]operation)
	for path, methods := range d.Paths {
		for method, raw := range methods {
			var op operation
			if !slices.Contains([]string{"get", "post", "patch", "delete"}, method) {
				continue
			}
			if err := json.Unmarshal(raw, &op); err != nil {
				tb.Fatal(err)
			}
			if slices.Contains(op.Tags, "target") {
				operations[strings.ToUpper(method)+" "+path] = op
			}
		}
	}
	return operations
}

// queryOf are the query's parameters, and those that must be there.
func (d document) queryOf(op operation) (names, required []string) {
	for _, p := range op.Parameters {
		declared := p.parameter
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			declared = d.Components.Parameters[name]
		}
		if declared.In != "query" {
			continue
		}
		names = append(names, declared.Name)
		if declared.Required {
			required = append(required, declared.Name)
		}
	}
	return names, required
}

// The parameters that are checked are those that openapi.yaml declares, and so
// are the properties of bodies.
func TestServesItsContract(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL) // refused before the database is asked
	doc := b.contract()
	operations := doc.operations(t)
	if len(operations) < 17 {
		t.Fatalf("the contract has %d operations", len(operations))
	}
	for name, op := range operations {
		method, path, _ := strings.Cut(name, " ")
		path = strings.NewReplacer("{id}", "7", "{day}", "2025-01-01").Replace(path)
		names, required := doc.queryOf(op)
		p := wantProblem(t, b.do(method, path+"?unheard_of=1", "{}", "Content-Type: application/json"), http.StatusUnprocessableEntity)
		known := "there are none"
		if len(names) > 0 {
			known = "those are " + strings.Join(names, ", ")
		}
		if !strings.HasSuffix(p.Errors[0].Detail, known) {
			t.Errorf("%s: the API says %q, the contract %s", name, p.Errors[0].Detail, known)
		}
		var missing []string
		for _, f := range p.Errors[1:] {
			missing = append(missing, f.Parameter)
		}
		if diff := cmp.Diff(required, missing); diff != "" {
			t.Errorf("%s: required parameters (-contract +API):\n%s", name, diff)
		}
		body, ok := op.RequestBody.Content["application/json"]
		if !ok {
			continue
		}
		schema := doc.Components.Schemas[strings.TrimPrefix(body.Schema.Ref, "#/components/schemas/")]
		p = wantProblem(t, b.do(method, path, `{"unheard_of": 1}`, "Content-Type: application/json"), http.StatusUnprocessableEntity)
		_, told, _ := strings.Cut(p.Errors[0].Detail, "those are ")
		properties := strings.Split(told, ", ")
		slices.Sort(properties)
		var declared []string
		for property := range schema.Properties {
			declared = append(declared, property)
		}
		slices.Sort(declared)
		if diff := cmp.Diff(declared, properties); diff != "" {
			t.Errorf("%s: properties (-contract +API):\n%s", name, diff)
		}
		missing = nil
		for _, f := range p.Errors[1:] {
			missing = append(missing, f.Parameter)
		}
		if diff := cmp.Diff(schema.Required, missing); diff != "" {
			t.Errorf("%s: required properties (-contract +API):\n%s", name, diff)
		}
	}
	for _, path := range []string{"/docs", "/redoc", "/docs/swagger-ui-bundle.js", "/redoc/redoc.standalone.js", "/openapi.yaml", "/health"} {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// validator checks JSON against a schema of openapi.yaml.
type validator struct {
	compiler *jsonschema.Compiler
}

func (b *bundle) validator() validator {
	b.t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(b.get("/openapi.json").body))
	if err != nil {
		b.t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		b.t.Fatal(err)
	}
	return validator{c}
}

// check holds a body against the schema at a place in the document, below
// "#/components/schemas/".
func (v validator) check(tb testing.TB, schema string, body []byte) {
	tb.Helper()
	s, err := v.compiler.Compile("openapi.json#/components/schemas/" + schema)
	if err != nil {
		tb.Fatal(err)
	}
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Validate(got); err != nil {
		tb.Errorf("%s is no %s: %v", body, schema, err)
	}
}
