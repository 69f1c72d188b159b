// Package stream writes rows as they arrive into an HTTP answer, in one of the
// formats that a client may ask for. Rows are never collected: a buffer, or in
// Parquet a row group, is all that an answer costs, however long.
//
// A stream ends in one of two ways:
//
//	complete  its trailers Delfos-Rows and Content-Digest (RFC 9530, sha-256
//	          over the bytes as sent) close it, and ETag where the header
//	          had left before it was known
//	broken    the connection is cut off, and no trailers come
//
// An error before the first byte left is returned, for a proper answer instead.
package stream

import (
	"fmt"

	"github.com/delfos/delfos/internal/pgrow"
)

// The columns of an answer are described as those of a query are.
type (
	// Kind is the type of a column's values.
	Kind = pgrow.Kind
	// Column describes a column.
	Column = pgrow.Column
	// Value is a value of any kind, or null.
	Value = pgrow.Value
)

// The kinds of columns that an answer may have. Float64 and Int64 have nulls; NaN and
// infinities are an error.
const (
	Int32     = pgrow.Int32
	Int64     = pgrow.Int64
	Float64   = pgrow.Float64
	Timestamp = pgrow.Timestamp
	Text      = pgrow.Text
)

// Buffer gathers bytes until they are sent. Encoders append to B or write to it.
type Buffer struct{ B []byte }

// Write implements io.Writer; it never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}

// Encoder writes one answer: Begin once, Row for each row, End once. Each
// appends what it has to say to the buffer, the same one throughout, which is
// emptied in between; an encoder that works in batches keeps rows back.
type Encoder interface {
	Begin(*Buffer) error
	// Row takes a value for each column; they are valid during the call.
	Row(*Buffer, []Value) error
	End(*Buffer) error
}

// Format is a way to write rows.
type Format struct {
	Name       string   // how a query asks for it
	MediaType  string   // how Accept asks for it
	Also       []string // media types that Accept may name in its place
	Extension  string   // of a file's name, with its dot
	Compressed bool     // by itself: no content coding goes on top
	New        func([]Column) Encoder
}

// Formats are all there are, the preferred one first.
func Formats() []Format {
	return []Format{
		{Name: "json", MediaType: "application/json", Extension: ".json", New: NewJSON},
		{Name: "ndjson", MediaType: "application/x-ndjson", Extension: ".ndjson", New: NewNDJSON},
		{Name: "csv", MediaType: "text/csv", Also: []string{"text/plain"}, Extension: ".csv", New: NewCSV},
		{Name: "arrow", MediaType: "application/vnd.apache.arrow.stream", Extension: ".arrows", New: NewArrow},
		{Name: "parquet", MediaType: "application/vnd.apache.parquet", Also: []string{"application/x-parquet", "application/octet-stream"}, Extension: ".parquet", Compressed: true, New: NewParquet},
	}
}

func check(c *Column, v Value) error {
	switch {
	case v.Null():
		if !nullable(c.Kind) {
			return fmt.Errorf("%s is null, which it never may be", c.Name)
		}
	case c.Kind == Float64 && !isFinite(v.Bits()):
		return fmt.Errorf("%s is %v, which is no reading", c.Name, v.Float64())
	}
	return nil
}

func nullable(kind Kind) bool { return kind == Float64 || kind == Int64 }

func isFinite(bits uint64) bool {
	const exponent = 0x7ff << 52
	return bits&exponent != exponent
}

func rowError(format string, row int64, err error) error {
	return fmt.Errorf("write row %d as %s: %w", row, format, err)
}
