package stream

import "github.com/delfos/delfos/internal/pgrow"

// The columns of an answer are described as those of a query are.
type (
	Kind   = pgrow.Kind
	Column = pgrow.Column
	Value  = pgrow.Value
)

// The kinds of columns that an answer may have. Only Float64 has nulls; NaN and
// infinities are an error.
const (
	Int32     = pgrow.Int32
	Float64   = pgrow.Float64
	Timestamp = pgrow.Timestamp
	Text      = pgrow.Text
)
