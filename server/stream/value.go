package stream

import "github.com/delfos/delfos/internal/pgrow"

// The columns of an answer are described as those of a query are.
type (
	// Kind is the type of a column's values.
	Kind = pgrow.Kind
	// Column describes a column.
	Column = pgrow.Column
	// Value is a value of any kind, or null.
	Value = pgrow.Value
)

// The kinds of columns that an answer may have. Only Float64 has nulls; NaN and
// infinities are an error.
const (
	Int32     = pgrow.Int32
	Float64   = pgrow.Float64
	Timestamp = pgrow.Timestamp
	Text      = pgrow.Text
)
