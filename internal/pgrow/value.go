// Package pgrow is what the code that sqlc-gen-rows generates uses: it reads rows one
// by one as the server sends them, and copies rows into a table, both in
// PostgreSQL's binary format and without an allocation a row. Columns describe what
// is in a row.
//
//	value.go   columns, their values at run time, their binary format, PostgreSQL's hash
//	row.go     the rows of a query, and those of a COPY … FROM STDIN
package pgrow

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
)

// Kind is the type of a column's values.
type Kind int

// The kinds of columns.
const (
	Int32     Kind = iota // a number of 32 bits
	Float64               // a double precision
	Timestamp             // microseconds of Unix time, UTC
	Text                  // a text; a Value holds the number of the text
	Int64                 // a number of 64 bits
	Date                  // a day
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

// Seed is HASH_PARTITION_SEED of PostgreSQL. With the seed 0, 0 would hash as a NULL does.
const Seed = 0x7A5B22367996DCFD

// Hash computes PostgreSQL's hash_record_extended(row(…), Seed). The zero Hash has no columns yet; add
// them in their order.
//
// So a query that reads rows needs no hash, which would cost the database two thirds of what the rows
// cost, and the result still equals a digest in the database.
//
// The functions are those of hash partitions, which do not change. A big-endian database hashes floats
// otherwise and never agrees, which is safe: nothing that changed is taken for unchanged.
type Hash uint64

// Null adds a NULL of any type.
func (h *Hash) Null() { h.add(0) }

// Int32 adds an integer.
func (h *Hash) Int32(v int32) { h.add(hash32(uint32(v))) }

// Int64 adds a bigint.
func (h *Hash) Int64(v int64) {
	high := uint32(uint64(v) >> 32)
	if v < 0 {
		high = ^high // so that an integer of 32 bits hashes alike in any width
	}
	h.add(hash32(uint32(v) ^ high))
}

// Timestamp adds a timestamptz, which hashes as a bigint does.
func (h *Hash) Timestamp(v Micros) { h.Int64(int64(v) - epoch) }

// Float64 adds a double precision that is not NaN.
func (h *Hash) Float64(v float64) {
	if v == 0 {
		h.add(Seed) // 0 and -0 are equal
		return
	}
	u := math.Float64bits(v)
	h.add(final(state8a+uint32(u), state8b+uint32(u>>32), state8c))
}

// add is the combination of hash_record_extended.
func (h *Hash) add(column uint64) { *h = *h*31 + Hash(column) }

// The state that lookup3 begins with, for keys of 4 and of 8 bytes. A test asks PostgreSQL.
const (
	state4a, state4b, state4c uint32 = 0xe933553e, 0xc5da07a8, 0xfdfd95ed
	state8a, state8b, state8c uint32 = 0x54dc0c32, 0x7a219d09, 0xbb713451
)

func hash32(k uint32) uint64 { return final(state4a+k, state4b, state4c) }

// final is the last mixing of Bob Jenkins's lookup3, as the 64 bits that PostgreSQL makes of it.
func final(a, b, c uint32) uint64 {
	c ^= b
	c -= bits.RotateLeft32(b, 14)
	a ^= c
	a -= bits.RotateLeft32(c, 11)
	b ^= a
	b -= bits.RotateLeft32(a, 25)
	c ^= b
	c -= bits.RotateLeft32(b, 16)
	a ^= c
	a -= bits.RotateLeft32(c, 4)
	b ^= a
	b -= bits.RotateLeft32(a, 14)
	c ^= b
	c -= bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}
