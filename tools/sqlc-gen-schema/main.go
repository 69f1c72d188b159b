// Command sqlc-gen-schema is a process plugin of sqlc. It writes a Go package, which
// imports nothing, of what the default schema says beside its queries:
//
//   - with the option table, the variables of a table of samples: the columns that
//     may be NULL, in the order in which the table has them, with their names, and
//     their units, which are the columns' comments;
//   - with the option columns, all columns of a table, with their types as well;
//   - without either the enumerations, as types with their constants. sqlc's own come
//     with a nullable twin each and stand beside the queries, so that whoever names
//     a value links the database's driver.
//
// Its other option is package, the name of the Go package.
package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"go/format"
	"strings"
	"text/template"

	"github.com/sqlc-dev/plugin-sdk-go/codegen"
	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

//go:embed *.tmpl
var texts embed.FS

func main() { codegen.Run(generate) }

// contents is what a template is given.
type contents struct {
	Package   string           `json:"package"`
	Table     string           `json:"table"`   // of which the variables are wanted
	Columns   string           `json:"columns"` // the table of which all columns are wanted
	Variables []variable       `json:"-"`
	All       []*plugin.Column `json:"-"`
	Enums     []*plugin.Enum   `json:"-"`
}

type variable struct{ Name, Unit string }

func generate(_ context.Context, request *plugin.GenerateRequest) (*plugin.GenerateResponse, error) {
	var c contents
	if err := json.Unmarshal(request.GetPluginOptions(), &c); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	name, err := c.read(schemaOf(request.GetCatalog()))
	if err != nil {
		return nil, err
	}
	templates, err := template.New("").Funcs(template.FuncMap{"goName": goName}).ParseFS(texts, "*.tmpl")
	if err != nil {
		return nil, err
	}
	var code bytes.Buffer
	if err := templates.ExecuteTemplate(&code, name, c); err != nil {
		return nil, err
	}
	formatted, err := format.Source(code.Bytes())
	if err != nil {
		return nil, err
	}
	return &plugin.GenerateResponse{Files: []*plugin.File{{Name: c.Package + ".go", Contents: formatted}}}, nil
}

// read takes from the schema what is asked for, and returns the name of its template.
func (c *contents) read(schema *plugin.Schema) (name string, err error) {
	if c.Table == "" && c.Columns == "" {
		c.Enums = schema.GetEnums()
		return "enum.go.tmpl", nil
	}
	for _, table := range schema.GetTables() {
		switch table.GetRel().GetName() {
		case c.Columns:
			c.All = table.GetColumns()
			return "column.go.tmpl", nil
		case c.Table:
			c.Variables, err = variablesOf(table)
			return "variable.go.tmpl", err
		}
	}
	return "", fmt.Errorf("there is no table %q", c.Table+c.Columns)
}

func variablesOf(table *plugin.Table) (variables []variable, err error) {
	name := table.GetRel().GetName()
	for _, column := range table.GetColumns() {
		switch {
		case column.GetNotNull():
			continue
		case column.GetType().GetName() != "float8":
			return nil, fmt.Errorf("%s.%s is of type %s: want double precision", name, column.GetName(), column.GetType().GetName())
		case column.GetComment() == "":
			return nil, fmt.Errorf("%s.%s has no unit: want COMMENT ON COLUMN", name, column.GetName())
		}
		variables = append(variables, variable{column.GetName(), column.GetComment()})
	}
	return variables, nil
}

// schemaOf is the default schema; nil if it has nothing.
func schemaOf(catalog *plugin.Catalog) *plugin.Schema {
	for _, schema := range catalog.GetSchemas() {
		if schema.GetName() == catalog.GetDefaultSchema() {
			return schema
		}
	}
	return nil
}

// goName is a name of SQL as one of Go.
func goName(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}
