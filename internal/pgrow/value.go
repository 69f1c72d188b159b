// Package pgrow is what the code that sqlc-gen-rows generates rests on: it reads
// rows one by one as they come off the wire, and copies rows into a table, both
// in PostgreSQL's binary format and without an allocation a row. What may stand
// in a row is described by its columns.
//
//	value.go   columns, and their values where a column is chosen at run time
//	wire.go    the binary format of each type
//	stream.go  the rows of a query
//	copy.go    COPY … FROM STDIN
//	hash.go    PostgreSQL's hash of a row
package pgrow

import (
	"math"
	"time"
)

// Kind is the type of a column's values.
type Kind int

// The kinds of columns.
const (
	Int32     Kind = iota // a number of 32 bits
	Float64               // a double precision
	Timestamp             // microseconds of Unix time, UTC
	Text                  // a text; as a Value it is told by its number
	Int64                 // a number of 64 bits
	Date                  // a day
)

// Column describes a column.
type Column struct {
	Name     string
	Kind     Kind
	Unit     string // as m/s, "" for none
	Nullable bool
	// Text is the text of a number, where the Values of a Text column are told by
	// one. It is called for each value, and should keep what it makes.
	Text func(number int32) string
}

// Micros is an instant in microseconds of Unix time.
type Micros int64

// Time is the instant in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Value is a value of any Kind of fixed size, or null, which the zero Value is.
// The column says which kind it is.
type Value struct {
	bits  uint64
	valid bool
}

// OfInt32 makes the value of an Int32 column.
func OfInt32(v int32) Value { return Value{uint64(uint32(v)), true} }

// OfInt64 makes the value of an Int64 column.
func OfInt64(v int64) Value { return Value{uint64(v), true} }

// OfFloat64 makes the value of a Float64 column.
func OfFloat64(v float64) Value { return Value{math.Float64bits(v), true} }

// OfTimestamp makes the value of a Timestamp column from microseconds of Unix
// time.
func OfTimestamp[T ~int64](v T) Value { return Value{uint64(v), true} }

// OfText makes the value of a Text column from the number of its text.
func OfText(number int32) Value { return OfInt32(number) }

// Null reports whether there is no value.
func (v Value) Null() bool { return !v.valid }

// Bits are those of the number, whatever its kind; 0 for null.
func (v Value) Bits() uint64 { return v.bits }

// Int32 is the value of an Int32 column, and the number of a text.
func (v Value) Int32() int32 { return int32(uint32(v.bits)) }

// Int64 is the value of an Int64 column.
func (v Value) Int64() int64 { return int64(v.bits) }

// Float64 is the value of a Float64 column.
func (v Value) Float64() float64 { return math.Float64frombits(v.bits) }

// Timestamp is the value of a Timestamp column in microseconds of Unix time.
func (v Value) Timestamp() int64 { return int64(v.bits) }
