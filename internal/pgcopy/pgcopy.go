// Package pgcopy encodes rows for COPY … FROM STDIN (FORMAT binary), without
// an allocation a row. It knows the few types that Delfos loads; a caller
// appends one field after another and sends the buffer when it is large enough.
//
// The format is described in PostgreSQL's manual under COPY, Binary Format.
package pgcopy

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

// Size is how many bytes are gathered before they are sent.
const Size = 64 << 10

const (
	signature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	trailer   = "\xff\xff"
)

// Epoch is PostgreSQL's, from which its timestamps count, in microseconds of
// Unix time.
const Epoch = 946_684_800_000_000

// A Writer encodes rows onto an io.Writer. The first error sticks and is
// returned by Close.
type Writer struct {
	w    io.Writer
	buf  []byte
	rows int64
	err  error
	done <-chan struct{}
}

// NewWriter returns a Writer that has the format's header in its buffer.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: append(make([]byte, 0, Size+1024), signature...)}
}

// Row begins a row of the given number of fields; each must then be appended.
func (w *Writer) Row(fields int) {
	if len(w.buf) >= Size {
		w.flush()
	}
	w.rows++
	w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(fields))
}

// Int32 appends an integer.
func (w *Writer) Int32(v int32) {
	w.buf = binary.BigEndian.AppendUint32(w.buf, 4)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(v))
}

// Int64 appends a bigint.
func (w *Writer) Int64(v int64) {
	w.buf = binary.BigEndian.AppendUint32(w.buf, 8)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(v))
}

// Float64 appends a double precision.
func (w *Writer) Float64(v float64) { w.Int64(int64(math.Float64bits(v))) }

// Timestamp appends a timestamptz, given in microseconds of Unix time.
func (w *Writer) Timestamp(micros int64) { w.Int64(micros - Epoch) }

// Null appends a NULL of any type.
func (w *Writer) Null() { w.buf = binary.BigEndian.AppendUint32(w.buf, math.MaxUint32) }

// Rows returns how many rows were begun.
func (w *Writer) Rows() int64 { return w.rows }

// Err returns the first error of the underlying writer, so that a long loop
// can end early.
func (w *Writer) Err() error { return w.err }

// Done is closed when the COPY that From runs has ended before its rows did:
// who waits for something to write need wait no longer.
func (w *Writer) Done() <-chan struct{} { return w.done }

// Close ends the stream; without it PostgreSQL refuses the whole COPY.
func (w *Writer) Close() error {
	w.buf = append(w.buf, trailer...)
	w.flush()
	return w.err
}

func (w *Writer) flush() {
	if w.err == nil {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// Micros reads a timestamptz in binary format, in microseconds of Unix time.
func Micros(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) + Epoch }

// Time reads a timestamptz in binary format.
func Time(b []byte) time.Time { return time.UnixMicro(Micros(b)).UTC() }

// Float64 reads a double precision in binary format.
func Float64(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }

// Int32 reads an integer in binary format.
func Int32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }
