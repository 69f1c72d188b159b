// Command sqlc-gen-enum is a process plugin of sqlc. It writes the enumerations of
// the default schema as Go types with their constants, in a package that imports
// nothing. sqlc's own come with a nullable twin each and stand beside the queries,
// so that whoever names a value links the database's driver.
//
// Its option is package, the name of the Go package.
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

//go:embed enum.go.tmpl
var text string

func main() { codegen.Run(generate) }

// list is what the template is given.
type list struct {
	Package string         `json:"package"`
	Enums   []*plugin.Enum `json:"-"`
}

// goName is a name of SQL as one of Go.
func goName(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

func generate(_ context.Context, request *plugin.GenerateRequest) (*plugin.GenerateResponse, error) {
	var l list
	if err := json.Unmarshal(request.GetPluginOptions(), &l); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	for _, schema := range request.GetCatalog().GetSchemas() {
		if schema.GetName() == request.GetCatalog().GetDefaultSchema() {
			l.Enums = schema.GetEnums()
		}
	}
	var code bytes.Buffer
	if err := template.Must(template.New("").Funcs(template.FuncMap{"goName": goName}).Parse(text)).Execute(&code, l); err != nil {
		return nil, err
	}
	contents, err := format.Source(code.Bytes())
	if err != nil {
		return nil, err
	}
	return &plugin.GenerateResponse{Files: []*plugin.File{{Name: l.Package + ".go", Contents: contents}}}, nil
}
