package main

import (
	"fmt"
	"strings"

	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

// field is a field of a generated struct.
type field struct{ Name, Type, Comment string }

// uses reports whether the field's type is of a package, which ends in a dot.
func (f field) uses(pkg string) bool { return strings.Contains(f.Type, pkg) }

// kind is how values of a type are read and written: the runtime has the
// functions Decode…, Append… and Of… of each, named for it.
type kind struct {
	Kind   string
	Go     string // the type of a field
	Fixed  bool   // it fits a Value
	Hashed bool   // Hash has it
	Array  bool   // of values that are never NULL
	Cast   string // the type to convert to and from, for an enum
}

// types knows the types and the comments of a schema.
type types struct {
	catalog *plugin.Catalog
	kinds   map[string]kind
}

// typesOf gathers the types of a schema. To add one, add a line here, and its
// functions to the runtime.
func typesOf(catalog *plugin.Catalog, runtime string) *types {
	t := &types{catalog: catalog, kinds: map[string]kind{}}
	add := func(k kind, names ...string) {
		for _, name := range names {
			t.kinds[name] = k
		}
	}
	add(kind{Kind: "Int32", Go: "int32", Fixed: true, Hashed: true}, "integer", "int", "int4", "serial")
	add(kind{Kind: "Int64", Go: "int64", Fixed: true, Hashed: true}, "bigint", "int8", "bigserial")
	add(kind{Kind: "Float64", Go: "float64", Fixed: true, Hashed: true}, "double precision", "float8")
	add(kind{Kind: "Timestamp", Go: runtime + ".Micros", Fixed: true, Hashed: true}, "timestamptz", "timestamp with time zone")
	add(kind{Kind: "Date", Go: "time.Time"}, "date")
	add(kind{Kind: "Float64s", Go: "[]float64", Array: true}, "double precision[]", "float8[]")
	add(kind{Kind: "Timestamps", Go: "[]" + runtime + ".Micros", Array: true}, "timestamptz[]", "timestamp with time zone[]")
	add(kind{Kind: "Text", Go: "string"}, "text", "varchar", "character varying", "name")
	for _, schema := range catalog.GetSchemas() {
		for _, enum := range schema.GetEnums() {
			name := goName(enum.GetName())
			if schema.GetName() != catalog.GetDefaultSchema() {
				name = goName(schema.GetName() + "_" + enum.GetName())
			}
			add(kind{Kind: "Text", Go: name, Cast: name}, enum.GetName(), schema.GetName()+"."+enum.GetName())
		}
	}
	return t
}

// kind is that of a column's type.
func (t *types) kind(c *plugin.Column) (kind, error) {
	name := strings.TrimPrefix(c.GetType().GetName(), "pg_catalog.")
	if schema := c.GetType().GetSchema(); schema != "" && schema != "pg_catalog" {
		name = schema + "." + name
	}
	if c.GetIsArray() {
		name += "[]"
	}
	k, ok := t.kinds[name]
	if !ok {
		return kind{}, fmt.Errorf("values of type %s can't be streamed", name)
	}
	return k, nil
}

// param is the field of a query's parameter: as sqlc has it, times are time.Time.
func (t *types) param(c *plugin.Column) (field, error) {
	scalar := &plugin.Column{Name: c.GetName(), Type: c.GetType()}
	k, err := t.kind(scalar)
	if err != nil {
		return field{}, err
	}
	if k.Kind == "Timestamp" {
		k.Go = "time.Time"
	}
	switch {
	case c.GetIsArray():
		k.Go = "[]" + k.Go
	case !c.GetNotNull():
		k.Go = "*" + k.Go
	}
	return field{Name: goName(c.GetName()), Type: k.Go}, nil
}

// find looks a table's column up; nil if it is not there.
func (t *types) find(table *plugin.Identifier, name string) *plugin.Column {
	for _, schema := range t.catalog.GetSchemas() {
		if in := table.GetSchema(); schema.GetName() != in && (in != "" || schema.GetName() != t.catalog.GetDefaultSchema()) {
			continue
		}
		for _, candidate := range schema.GetTables() {
			if candidate.GetRel().GetName() != table.GetName() {
				continue
			}
			for _, c := range candidate.GetColumns() {
				if c.GetName() == name {
					return c
				}
			}
		}
	}
	return nil
}

// unit is the comment of the table's column that c shows.
func (t *types) unit(c *plugin.Column) string {
	if c.GetTable() == nil {
		return c.GetComment()
	}
	return t.find(c.GetTable(), originalName(c)).GetComment()
}

func originalName(c *plugin.Column) string {
	if name := c.GetOriginalName(); name != "" {
		return name
	}
	return c.GetName()
}

// goName is a column's name in Go, as sqlc makes it.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '_' || r == '.' || r == ' ' }) {
		if word == "id" {
			b.WriteString("ID")
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func tableName(table *plugin.Identifier) string {
	if table.GetSchema() == "" {
		return quote(table.GetName())
	}
	return quote(table.GetSchema()) + "." + quote(table.GetName())
}
