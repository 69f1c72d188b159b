package stream

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/delfos/delfos/internal/timestamp"
)

// textEncoder writes items of text, without an allocation a row: one for each
// row, between open and end.
type textEncoder struct {
	format    string // as errors call it
	open, end string
	between   string // two items
	after     string // each item
	item      func(b []byte, row []Value) ([]byte, error)
	rows      int64
}

func (e *textEncoder) Begin(buf *Buffer) error {
	buf.B = append(buf.B, e.open...)
	return nil
}

func (e *textEncoder) Row(buf *Buffer, row []Value) error {
	if e.rows > 0 {
		buf.B = append(buf.B, e.between...)
	}
	e.rows++
	b, err := e.item(buf.B, row)
	if err != nil {
		return rowError(e.format, e.rows, err)
	}
	b = append(b, e.after...)
	buf.B = b
	return nil
}

func (e *textEncoder) End(buf *Buffer) error {
	buf.B = append(buf.B, e.end...)
	return nil
}

// NewJSON returns the encoder of application/json: an array of objects, a row a
// line. An answer without rows is exactly [].
func NewJSON(columns []Column) Encoder {
	return &textEncoder{format: "JSON", open: "[", between: ",\n", after: "}", end: "]", item: jsonRow(columns).append}
}

// NewNDJSON returns the encoder of application/x-ndjson: an object a line, and
// nothing else.
func NewNDJSON(columns []Column) Encoder {
	return &textEncoder{format: "NDJSON", after: "}\n", item: jsonRow(columns).append}
}

// NewCSV returns the encoder of text/csv. It writes RFC 4180: a header, lines that
// end in CRLF, null as an empty field without quotes. Of what it writes, a text
// alone may need quotes.
func NewCSV(columns []Column) Encoder {
	names := make([]string, len(columns))
	r := &textRow{columns: make([]textColumn, len(columns)), text: appendField}
	for i, c := range columns {
		names[i], r.columns[i] = c.Name, textColumn{c, ","}
	}
	if len(columns) > 0 {
		r.columns[0].before = ""
	}
	return &textEncoder{format: "CSV", open: strings.Join(names, ",") + "\r\n", after: "\r\n", item: r.append}
}

// Items is a response in JSON whose items come as they are to be written, between
// open and end. An item is valid during the call of yield.
func Items(open, end string, each func(yield func(item []byte) error) error) Response {
	var item []byte
	format := Formats()[0]
	format.New = func([]Column) Encoder {
		return &textEncoder{format: "JSON", open: open, between: ",\n", end: end, item: func(b []byte, _ []Value) ([]byte, error) {
			return append(b, item...), nil
		}}
	}
	return Response{Format: format, Rows: func(yield func([]Value) error) error {
		return each(func(next []byte) error {
			item = next
			return yield(nil)
		})
	}}
}

// Document is JSON with a text of its own in the place of the rows, which are counted
// as those of any format.
func Document(text []byte) Format {
	format := Formats()[0]
	format.New = func([]Column) Encoder {
		return &textEncoder{format: "JSON", open: string(text), item: func(b []byte, _ []Value) ([]byte, error) { return b, nil }}
	}
	return format
}

// textRow writes the values of a row, up to what ends it.
type textRow struct {
	columns     []textColumn
	null, quote string // a null, and what stands on both sides of a timestamp
	text        func(b []byte, text string) []byte
}

type textColumn struct {
	Column

	before string // a value: `,`, or in JSON `{"timestamp":` or `,"power":`
}

func jsonRow(columns []Column) *textRow {
	r := &textRow{columns: make([]textColumn, len(columns)), null: "null", quote: `"`, text: appendQuoted}
	before := "{"
	for i, c := range columns {
		// Names of columns are plain words, which Go and JSON quote alike.
		r.columns[i], before = textColumn{c, before + strconv.Quote(c.Name) + ":"}, ","
	}
	return r
}

func (r *textRow) append(b []byte, row []Value) ([]byte, error) {
	for i := range r.columns {
		c := &r.columns[i]
		v := row[i]
		if err := check(&c.Column, v); err != nil {
			return nil, err
		}
		b = append(b, c.before...)
		switch {
		case v.Null():
			b = append(b, r.null...)
		case c.Kind == Timestamp:
			b = append(b, r.quote...)
			b = appendTimestamp(b, &c.Column, v)
			b = append(b, r.quote...)
		case c.Kind == Int32:
			b = strconv.AppendInt(b, int64(v.Int32()), 10)
		case c.Kind == Int64:
			b = strconv.AppendInt(b, v.Int64(), 10)
		case c.Kind == Text:
			b = r.text(b, c.Text(v.Int32()))
		default:
			b = appendFloat(b, v.Float64())
		}
	}
	return b, nil
}

// appendTimestamp appends an instant in the form that all of its column have:
// readers take a column of several forms for text.
func appendTimestamp(b []byte, c *Column, v Value) []byte {
	if c.Wide {
		return timestamp.AppendWide(b, v.Timestamp())
	}
	return timestamp.AppendMicros(b, v.Timestamp())
}

func appendQuoted(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			if quoted, err := json.Marshal(text); err == nil { // any string can be
				return append(b, quoted...)
			}
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// appendField appends a text as a field of CSV. An empty one has quotes: without
// them it would be a null.
func appendField(b []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}

// appendFloat appends the shortest decimal that reads back as f: with an
// exponent only below 1e-6 and from 1e21 on, as encoding/json has it, and with
// .0 after a whole number, as the replaced system had it, whose clients in
// Python take 10 for an integer and 10.0 for a float.
func appendFloat(b []byte, f float64) []byte {
	// Readings have few decimals. If n/10^4 rounds to f and n has at most 15
	// digits, then no other decimal that short does: it is the shortest one,
	// found without a search.
	const scale = 1e4
	if a := math.Abs(f); a >= 1/scale && a < 1e15/scale {
		if n := math.Round(a * scale); n/scale == a {
			if f < 0 {
				b = append(b, '-')
			}
			return appendScaled(b, uint64(n))
		}
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if format == 'f' && f == math.Trunc(f) {
		return append(b, ".0"...)
	}
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && (b[n-3] == '-' || b[n-3] == '+') && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is e-9
		b = b[:n-1]
	}
	return b
}

func appendScaled(b []byte, n uint64) []byte {
	whole, fraction := n/10_000, n%10_000
	b = strconv.AppendUint(b, whole, 10)
	if fraction == 0 {
		return append(b, ".0"...)
	}
	b = append(b, '.', byte('0'+fraction/1000), byte('0'+fraction/100%10), byte('0'+fraction/10%10), byte('0'+fraction%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
