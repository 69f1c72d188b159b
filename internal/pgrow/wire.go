package pgrow

import (
	"encoding/binary"
	"math"
	"time"
)

// epoch is PostgreSQL's, from which its timestamps count, in microseconds of
// Unix time.
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

// AppendDate appends a date: the day that t, in UTC, is the start of.
func AppendDate(b []byte, t time.Time) []byte {
	return AppendInt32(b, int32(t.Unix()/(24*60*60)-epochDay))
}

// AppendText appends a text, or the name of an enum's value.
func AppendText(b []byte, v string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}
