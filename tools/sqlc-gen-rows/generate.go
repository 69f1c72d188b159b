package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"path"
	"slices"
	"text/template"

	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

//go:embed rows.go.tmpl
var rowsTemplate string

// options are those of a codegen block of sqlc.yaml.
type options struct {
	Package string `json:"package"`  // of the generated file
	Runtime string `json:"runtime"`  // import path of the runtime
	OutFile string `json:"out_file"` // rows.go without it
	// Array gathers columns that follow each other, have one type and carry a
	// unit in one field of this name: another such column needs no Go then.
	Array string `json:"array"`
}

// file is what the template is given.
type file struct {
	options

	SQLC    string // its version
	Alias   string // what the runtime's package is called
	Imports []string
	Queries []*query
	Rows    []*row
}

// generate answers a request of sqlc with one file.
func generate(_ context.Context, request *plugin.GenerateRequest) (*plugin.GenerateResponse, error) {
	o := options{OutFile: "rows.go"}
	if err := json.Unmarshal(request.GetPluginOptions(), &o); err != nil {
		return nil, fmt.Errorf("read the options: %w", err)
	}
	if o.Package == "" || o.Runtime == "" {
		return nil, errors.New("the options package and runtime are needed")
	}
	f := file{options: o, SQLC: request.GetSqlcVersion(), Alias: path.Base(o.Runtime)}
	types := typesOf(request.GetCatalog(), f.Alias)
	for _, q := range request.GetQueries() {
		made, err := types.query(q, o.Array)
		if err != nil {
			return nil, fmt.Errorf("%s: query %s: %w", q.GetFilename(), q.GetName(), err)
		}
		if made != nil {
			f.add(made)
		}
	}
	slices.SortFunc(f.Queries, func(a, b *query) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	f.imports()
	source, err := f.render()
	if err != nil {
		return nil, err
	}
	return &plugin.GenerateResponse{Files: []*plugin.File{{Name: o.OutFile, Contents: source}}}, nil
}

// add takes a query. Queries of equal columns share the type of their rows,
// which is named for the first of them; the others' is an alias.
func (f *file) add(q *query) {
	f.Queries = append(f.Queries, q)
	i := slices.IndexFunc(f.Rows, q.Row.equal)
	if i < 0 {
		f.Rows = append(f.Rows, q.Row)
		return
	}
	f.Rows[i].Hash = f.Rows[i].Hash || q.Row.Hash
	f.Rows[i].Values = f.Rows[i].Values || q.Row.Values
	f.Rows[i].Read = f.Rows[i].Read || q.Row.Read
	f.Rows[i].Write = f.Rows[i].Write || q.Row.Write
	q.Row = f.Rows[i]
}

// imports lists the packages that the file uses.
func (f *file) imports() {
	used := map[string]bool{"context": true}
	for _, q := range f.Queries {
		used["iter"] = used["iter"] || q.Stream
		used["github.com/jackc/pgx/v5"] = used["github.com/jackc/pgx/v5"] || q.Copy || q.CacheDescribe
		for _, p := range q.Params {
			used["time"] = used["time"] || p.uses("time.")
		}
		for _, p := range q.Row.Fields {
			used["time"] = used["time"] || p.uses("time.")
			used["database/sql"] = used["database/sql"] || p.uses("sql.")
		}
	}
	for _, standard := range []bool{true, false} {
		var block []string
		for name, is := range used {
			if is && (path.Dir(name) == "." || name == "database/sql") == standard {
				block = append(block, name)
			}
		}
		slices.Sort(block)
		f.Imports = append(append(f.Imports, block...), "")
	}
	f.Imports = append(f.Imports, f.Runtime)
}

func (f *file) render() ([]byte, error) {
	t, err := template.New("rows.go").Parse(rowsTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	var source bytes.Buffer
	if err := t.Execute(&source, f); err != nil {
		return nil, fmt.Errorf("fill the template: %w", err)
	}
	formatted, err := format.Source(source.Bytes())
	if err != nil {
		return nil, fmt.Errorf("format what was generated: %w\n%s", err, source.Bytes())
	}
	return formatted, nil
}
