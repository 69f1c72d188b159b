package target_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The contract is served, and its pages.
func TestServesItsContract(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL) // refused before the database is asked
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
