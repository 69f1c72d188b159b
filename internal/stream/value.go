package stream

import (
	"fmt"
	"math"

	"github.com/delfos/delfos/internal/pgcopy"
)

// Value is a value of any Kind, or null, which the zero Value is. The column
// says which kind it is.
type Value struct {
	bits  uint64
	valid bool
}

// OfInt32 makes the value of an Int32 column.
func OfInt32(v int32) Value { return Value{uint64(uint32(v)), true} }

// OfText makes the value of a Text column from the number of its text.
func OfText(number int32) Value { return OfInt32(number) }

// OfFloat64 makes the value of a Float64 column.
func OfFloat64(v float64) Value { return Value{math.Float64bits(v), true} }

// OfTimestamp makes the value of a Timestamp column from microseconds of Unix
// time.
func OfTimestamp(micros int64) Value { return Value{uint64(micros), true} }

// Null says whether there is no value.
func (v Value) Null() bool { return !v.valid }

// Int32 is the value of an Int32 column, and the number of a text.
func (v Value) Int32() int32 { return int32(uint32(v.bits)) }

// Float64 is the value of a Float64 column.
func (v Value) Float64() float64 { return math.Float64frombits(v.bits) }

// Timestamp is the value of a Timestamp column in microseconds of Unix time.
func (v Value) Timestamp() int64 { return int64(v.bits) }

// OfPostgres reads a value of the kind from PostgreSQL's binary format.
func OfPostgres(kind Kind, raw []byte) (Value, error) {
	switch {
	case raw == nil:
		return Value{}, nil
	case kind == Int32 && len(raw) == 4:
		return OfInt32(pgcopy.Int32(raw)), nil
	case kind == Float64 && len(raw) == 8:
		return OfFloat64(pgcopy.Float64(raw)), nil
	case kind == Timestamp && len(raw) == 8:
		return OfTimestamp(pgcopy.Micros(raw)), nil
	default:
		return Value{}, fmt.Errorf("read a database value of %d bytes as kind %d: not its format", len(raw), kind)
	}
}
