// Package pgrow is what the code that sqlc-gen-rows generates uses: it reads rows one
// by one as the server sends them, and copies rows into a table, both in
// PostgreSQL's binary format and without an allocation a row. Columns describe what
// is in a row.
//
//	value.go   columns, their values at run time, their binary format
//	hash.go    PostgreSQL's hash of a row
//	stream.go  the rows of a query
//	copy.go    those of a COPY … FROM STDIN
package pgrow

import (
	"encoding/binary"
	"math"
	"time"
)

// Kind is the type of a column's values.
type Kind int

// The kinds of columns.
const (
	Int32      Kind = iota // a number of 32 bits
	Float64                // a double precision
	Timestamp              // microseconds of Unix time, UTC
	Text                   // a text; a Value holds the number of the text
	Int64                  // a number of 64 bits
	Date                   // a day
	Float64s               // an array of doubles, none of them NULL
	Timestamps             // an array of timestamps, none of them NULL
)

// Column describes a column.
type Column struct {
	Name     string
	Kind     Kind
	Unit     string // as m/s, "" for none
	Nullable bool
	Wide     bool // timestamps in text have six digits of a fraction, as some of them need
	// Text returns the text of a number of a Text column. It is called for each value.
	Text func(number int32) string
}

// Micros is an instant in microseconds of Unix time.
type Micros int64

// Time is the instant in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Value is a value of any Kind of fixed size; the zero Value is null. The column has the kind.
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

// OfTimestamp makes the value of a Timestamp column from microseconds of Unix time.
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

// epoch is PostgreSQL's, in microseconds of Unix time.
const epoch = 946_684_800_000_000

// epochDay is that day of Unix time.
const epochDay = 10_957

// DecodeInt32 reads an integer.
func DecodeInt32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }

// DecodeInt64 reads a bigint.
func DecodeInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// DecodeFloat64 reads a double precision.
func DecodeFloat64(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }

// DecodeTimestamp reads a timestamptz.
func DecodeTimestamp(b []byte) Micros { return Micros(DecodeInt64(b) + epoch) }

// DecodeDate reads a date: the start of that day in UTC.
func DecodeDate(b []byte) time.Time {
	return time.Unix((int64(DecodeInt32(b))+epochDay)*24*60*60, 0).UTC()
}

// DecodeFloat64s reads an array of doubles; nil if one of them is NULL.
func DecodeFloat64s(b []byte) []float64 { return decodeArray(b, DecodeFloat64) }

// DecodeTimestamps reads an array of timestamps; nil if one of them is NULL.
func DecodeTimestamps(b []byte) []Micros { return decodeArray(b, DecodeTimestamp) }

// decodeArray reads an array of one dimension whose elements have 8 bytes.
func decodeArray[T any](b []byte, decode func([]byte) T) []T {
	const word, size = 4, 8 // bytes
	dimensions, null, b := DecodeInt32(b), DecodeInt32(b[word:]), b[3*word:]
	if dimensions == 0 {
		return []T{}
	}
	if dimensions != 1 || null != 0 {
		return nil
	}
	values := make([]T, DecodeInt32(b))
	b = b[2*word:]
	for i := range values {
		values[i] = decode(b[word:])
		b = b[word+size:]
	}
	return values
}

// DecodeText reads a text, or the name of an enum's value.
func DecodeText(b []byte) string { return string(b) }

// AppendRow begins a row of the given number of columns; each is then appended.
func AppendRow(b []byte, columns int) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(columns))
}

// AppendNull appends a NULL of any type.
func AppendNull(b []byte) []byte { return binary.BigEndian.AppendUint32(b, math.MaxUint32) }

// AppendInt32 appends an integer.
func AppendInt32(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(v))
}

// AppendInt64 appends a bigint.
func AppendInt64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(v))
}

// AppendFloat64 appends a double precision.
func AppendFloat64(b []byte, v float64) []byte { return AppendInt64(b, int64(math.Float64bits(v))) }

// AppendTimestamp appends a timestamptz.
func AppendTimestamp(b []byte, v Micros) []byte { return AppendInt64(b, int64(v)-epoch) }
