package target_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The contract is served, and its pages.
func TestServesItsContract(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL) // refused before the database is asked
	for _, path := range []string{"/docs", "/redoc", "/docs/swagger-ui-bundle.js", "/redoc/redoc.standalone.js", "/openapi.yaml", "/health"} {
		b.OK(path)
	}
}

// validator checks JSON against a schema of openapi.yaml.
type validator struct {
	compiler *jsonschema.Compiler
}

func (b *bundle) validator() validator {
	b.TB.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(b.Get("/openapi.json").Body))
	if err != nil {
		b.TB.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		b.TB.Fatal(err)
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
