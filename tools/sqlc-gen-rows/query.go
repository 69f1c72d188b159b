package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

// query is a marked query.
type query struct {
	Name     string
	Cmd      string
	SQL      string
	Comments []string // without the mark
	Params   []field
	Row      *row

	Stream, Copy  bool
	CacheDescribe bool
}

// row is the type of a query's rows.
type row struct {
	Name    string // of the type, without Row
	Columns []column
	Fields  []field // those columns, an array in place of several

	Hash   bool // rows are hashed
	Values bool // rows become a slice of values
	Read   bool // rows are read
	Write  bool // rows are written
}

// column is a column of a row.
type column struct {
	kind

	Name     string // in the database
	Unit     string
	Nullable bool
	Field    string // where its value stands in the row: Power, Readings[1]
}

// query makes the query of q; nil if it is not marked.
func (t *types) query(q *plugin.Query, array string) (*query, error) {
	made := &query{Name: q.GetName(), Cmd: q.GetCmd(), SQL: strings.ReplaceAll(q.GetText(), "`", "` + \"`\" + `")}
	made.Row = &row{Name: made.Name}
	for _, line := range q.GetComments() {
		mark, ok := strings.CutPrefix(strings.TrimSpace(line), "@")
		if !ok {
			made.Comments = append(made.Comments, line)
		} else if err := made.mark(strings.Fields(mark)); err != nil {
			return nil, err
		}
	}
	if made.Stream == made.Copy {
		if made.Copy {
			return nil, errors.New("a query is marked either @stream or @copy")
		}
		return nil, nil //nolint:nilnil // Most queries are not for us.
	}
	var err error
	if made.Copy {
		err = t.copied(q, made, array)
	} else {
		err = t.streamed(q, made, array)
	}
	return made, err
}

// mark reads the words after @.
func (q *query) mark(words []string) error {
	if len(words) == 0 {
		return errors.New("the mark @ has no name")
	}
	switch words[0] {
	case "stream":
		q.Stream, q.Row.Read = true, true
	case "copy":
		q.Copy, q.Row.Write = true, true
	default:
		return fmt.Errorf("@%s is not a mark: @stream and @copy are", words[0])
	}
	for _, word := range words[1:] {
		switch {
		case word == "hash":
			q.Row.Hash = true
		case word == "columns" && q.Stream:
			q.Row.Values = true
		case word == "cache_describe" && q.Stream:
			q.CacheDescribe = true
		default:
			return fmt.Errorf("@%s does not take %q: @stream takes hash, columns and cache_describe, @copy takes hash", words[0], word)
		}
	}
	return nil
}

// streamed makes parameters and row of a query whose rows are read.
func (t *types) streamed(q *plugin.Query, made *query, array string) error {
	if made.Cmd != ":many" {
		return fmt.Errorf("@stream is for queries that are :many, not %s", made.Cmd)
	}
	for _, p := range q.GetParams() {
		param, err := t.param(p.GetColumn())
		if err != nil {
			return fmt.Errorf("parameter $%d: %w", p.GetNumber(), err)
		}
		made.Params = append(made.Params, param)
	}
	return t.fill(made.Row, q.GetColumns(), array)
}

// copied makes the statement and the row of an INSERT whose rows are copied.
func (t *types) copied(q *plugin.Query, made *query, array string) error {
	into := q.GetInsertIntoTable()
	if made.Cmd != ":copyfrom" || into.GetName() == "" {
		return fmt.Errorf("@copy is for an INSERT that is :copyfrom, not %s", made.Cmd)
	}
	var columns []*plugin.Column
	var names []string
	for _, p := range q.GetParams() {
		name := originalName(p.GetColumn())
		column := t.find(into, name)
		if column == nil {
			return fmt.Errorf("column %s of table %s is not in the schema", name, into.GetName())
		}
		columns, names = append(columns, column), append(names, quote(name))
	}
	made.SQL = fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", tableName(into), strings.Join(names, ", "))
	return t.fill(made.Row, columns, array)
}

// fill makes the columns of a row and its fields.
func (t *types) fill(r *row, columns []*plugin.Column, array string) error {
	for _, c := range columns {
		kind, err := t.kind(c)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.GetName(), err)
		}
		switch {
		case r.Hash && !kind.Hashed:
			return fmt.Errorf("column %s: rows with a %s are not hashed", c.GetName(), c.GetType().GetName())
		case r.Values && !kind.Fixed:
			return fmt.Errorf("column %s: %s is not a type of fixed size, as the mark columns asks for", c.GetName(), c.GetType().GetName())
		}
		r.Columns = append(r.Columns, column{
			kind: kind, Name: c.GetName(), Unit: t.unit(c), Nullable: !c.GetNotNull(), Field: goName(c.GetName()),
		})
	}
	for i := 0; i < len(r.Columns); {
		first := r.Columns[i]
		n := 1
		if array != "" && first.Unit != "" {
			for n < len(r.Columns)-i && r.Columns[i+n].fits(first) {
				n++
			}
			for place := range n {
				r.Columns[i+place].Field = fmt.Sprintf("%s[%d]", array, place)
			}
			r.Fields = append(r.Fields, field{Name: array, Type: fmt.Sprintf("[%d]%s", n, first.Type())})
		} else {
			r.Fields = append(r.Fields, field{Name: first.Field, Type: first.Type(), Comment: first.Unit})
		}
		i += n
	}
	return nil
}

// fits reports whether c may stand in an array with the other column.
func (c column) fits(other column) bool {
	return c.Unit != "" && c.kind == other.kind && c.Nullable == other.Nullable
}

// Type is the Go type of the column's field.
func (c column) Type() string {
	if c.Nullable {
		return "sql.Null[" + c.Go + "]"
	}
	return c.Go
}

// equal reports whether two rows have the same columns.
func (r *row) equal(other *row) bool { return slices.Equal(r.Columns, other.Columns) }

// Lists are the columns that are read as nil if an element is NULL.
func (r *row) Lists() (lists []column) {
	for _, c := range r.Columns {
		if c.Array && !c.Nullable {
			lists = append(lists, c)
		}
	}
	return lists
}

// Required are the places of the columns that are never NULL.
func (r *row) Required() (places []int) {
	for i, c := range r.Columns {
		if !c.Nullable {
			places = append(places, i)
		}
	}
	return places
}
