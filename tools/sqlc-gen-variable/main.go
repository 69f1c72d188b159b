// Command sqlc-gen-variable is a process plugin of sqlc. It lists the variables
// of a table of samples, the columns that may be NULL, in the order in which the
// table has them: their names, and their units, which are the columns' comments.
//
// Its options are package, the name of the Go package, and table.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/format"
	"strings"
	"text/template"

	"github.com/sqlc-dev/plugin-sdk-go/codegen"
	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

//go:embed variable.go.tmpl
var text string

func main() { codegen.Run(generate) }

// list is what the template is given.
type list struct {
	Package   string     `json:"package"`
	Table     string     `json:"table"`
	Variables []variable `json:"-"`
}

type variable struct{ Name, Unit string }

// GoName is the variable's name as a constant.
func (v variable) GoName() string {
	var name strings.Builder
	for word := range strings.SplitSeq(v.Name, "_") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

func generate(_ context.Context, request *plugin.GenerateRequest) (*plugin.GenerateResponse, error) {
	var l list
	if err := json.Unmarshal(request.GetPluginOptions(), &l); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	columns, err := columnsOf(request.GetCatalog(), l.Table)
	if err != nil {
		return nil, err
	}
	for _, column := range columns {
		switch {
		case column.GetNotNull():
			continue
		case column.GetType().GetName() != "float8":
			return nil, fmt.Errorf("%s.%s is of type %s: want double precision", l.Table, column.GetName(), column.GetType().GetName())
		case column.GetComment() == "":
			return nil, fmt.Errorf("%s.%s has no unit: want COMMENT ON COLUMN", l.Table, column.GetName())
		}
		l.Variables = append(l.Variables, variable{column.GetName(), column.GetComment()})
	}
	var code bytes.Buffer
	if err := template.Must(template.New("").Parse(text)).Execute(&code, l); err != nil {
		return nil, err
	}
	contents, err := format.Source(code.Bytes())
	if err != nil {
		return nil, err
	}
	return &plugin.GenerateResponse{Files: []*plugin.File{{Name: l.Package + ".go", Contents: contents}}}, nil
}

func columnsOf(catalog *plugin.Catalog, table string) ([]*plugin.Column, error) {
	for _, schema := range catalog.GetSchemas() {
		if schema.GetName() != catalog.GetDefaultSchema() {
			continue
		}
		for _, t := range schema.GetTables() {
			if t.GetRel().GetName() == table {
				return t.GetColumns(), nil
			}
		}
	}
	return nil, fmt.Errorf("there is no table %q", table)
}
