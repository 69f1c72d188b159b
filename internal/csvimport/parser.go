package csvimport

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
)

const (
	columnTimestamp = "timestamp"
	columnTurbine   = "turbine_id"
	defaultTurbine  = 1

	bufferSize = 64 << 10
	byteMark   = "\ufeff"
)

// Places of a row's fields that are not a variable. A variable's place is its index
// in variable.Names.
const (
	placeTimestamp = -1
	placeTurbine   = -2
)

// A row is one line of a file, checked.
type row = importdb.StageLinesRow

// A parser reads the rows of one file; its errors are *Error, apart from
// io.EOF and the end of the context.
type parser struct {
	name   string
	in     *input
	csv    *csv.Reader
	header []string
	places []int
	row    row
}

// newParser reads the header.
func newParser(name string, in *input) (*parser, error) {
	buffer := bufio.NewReaderSize(in, bufferSize)
	if start, _ := buffer.Peek(len(byteMark)); bytes.Equal(start, []byte(byteMark)) {
		_, _ = buffer.Discard(len(byteMark))
	}
	p := &parser{name: name, in: in, csv: csv.NewReader(buffer)}
	p.csv.FieldsPerRecord = -1
	p.csv.ReuseRecord = true
	p.allowRecord()
	header, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, &Error{File: name, Line: 1, Reason: "the header is missing: " + allowedColumns()}
	}
	if err != nil {
		return nil, p.fault(header, err)
	}
	p.header = slices.Clone(header)
	line, _ := p.csv.FieldPos(0)
	if err := p.readHeader(line); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *parser) readHeader(line int) error {
	fault := func(column, reason string) error {
		return &Error{File: p.name, Line: line, Column: column, Reason: reason}
	}
	for i, column := range p.header {
		place := slices.Index(variable.Names[:], column)
		switch {
		case slices.Contains(p.header[:i], column):
			return fault(column, "the column stands twice")
		case column == columnTimestamp:
			place = placeTimestamp
		case column == columnTurbine:
			place = placeTurbine
		case place < 0:
			return fault(quote(column), "unknown column: "+allowedColumns())
		}
		p.places = append(p.places, place)
	}
	for _, column := range requiredColumns() {
		if !slices.Contains(p.header, column) {
			return fault(column, "the column is missing")
		}
	}
	return nil
}

// next returns the next row, valid until the call after, or io.EOF.
func (p *parser) next() (*row, error) {
	p.allowRecord()
	record, err := p.csv.Read()
	if err != nil {
		return nil, p.fault(record, err)
	}
	line, _ := p.csv.FieldPos(0)
	p.row.Line = int64(line)
	if err := p.checkCount(len(record)); err != nil {
		return nil, err
	}
	p.row.TurbineID = defaultTurbine
	for i, place := range p.places {
		if err := set(&p.row, place, record[i]); err != nil {
			line, _ := p.csv.FieldPos(i)
			return nil, &Error{File: p.name, Line: line, Column: p.header[i], Reason: err.Error()}
		}
	}
	return &p.row, nil
}

// set reads a field of the line into the row.
func set(r *row, place int, value string) (err error) {
	switch place {
	case placeTimestamp:
		r.Timestamp, err = parseTime(value)
	case placeTurbine:
		r.TurbineID, err = parseTurbine(value)
	default:
		r.Readings[place] = sql.Null[float64]{Valid: value != ""}
		if value != "" {
			r.Readings[place].V, err = parseNumber(value)
		}
	}
	return err
}

func (p *parser) checkCount(got int) error {
	want := len(p.header)
	if got == want {
		return nil
	}
	column, what := p.header[want-1], "something follows the last field"
	if got < want {
		column, what = p.header[got], "the field is missing"
	}
	return &Error{
		File: p.name, Line: int(p.row.Line), Column: column,
		Reason: fmt.Sprintf("%s: the header has %d fields, the line %d", what, want, got),
	}
}

// fault makes an Error of an error of the CSV reader. record holds the fields before
// the faulty one.
func (p *parser) fault(record []string, err error) error {
	syntax, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, io.EOF), p.in.ctx.Err() != nil:
		return err
	case ok:
		e := &Error{File: p.name, Line: syntax.StartLine, Reason: syntax.Err.Error()}
		if len(record) < len(p.header) {
			e.Column = p.header[len(record)]
		}
		switch {
		case errors.Is(syntax.Err, csv.ErrBareQuote):
			e.Reason = `a quote in a field that does not begin with one`
		case errors.Is(syntax.Err, csv.ErrQuote):
			e.Reason = `the quoted field is not closed, or something follows its closing quote`
		}
		return e
	case errors.Is(err, errLongRecord):
		return &Error{File: p.name, Line: int(p.row.Line) + 1, Reason: err.Error()}
	default:
		return fileFault(p.name, err)
	}
}

// allowRecord moves the input's limit by one record and what the buffer reads ahead.
func (p *parser) allowRecord() {
	p.in.limit = p.csv.InputOffset() + maxRecord + bufferSize
}

func requiredColumns() []string {
	return append([]string{columnTimestamp}, variable.Names[:]...)
}

func allowedColumns() string {
	return fmt.Sprintf("wanted are %s and optionally %s, separated by commas",
		strings.Join(requiredColumns(), ", "), columnTurbine)
}

// maxRecord bounds a record, in bytes: a quote that is not closed must not
// read the rest of a large file into memory.
const maxRecord = 1 << 20

var errLongRecord = errors.New("the record is longer than 1 MiB; is a quote not closed?")

// An input is what the parser reads a file from. It counts the bytes, ends with ctx
// also while the file's reader blocks (standard input can), and stops at limit.
type input struct {
	ctx   context.Context
	r     io.Reader
	count func(int)
	// limit is the offset up to which the parser may read, 0 for no bound.
	limit, offset int64
}

// Read implements io.Reader. When ctx ends first, the abandoned read goes on
// in its goroutine, into a buffer of its own, until the file is closed.
func (in *input) Read(p []byte) (int, error) {
	if in.limit > 0 && in.offset >= in.limit {
		return 0, errLongRecord
	}
	type chunk struct {
		data []byte
		err  error
	}
	read := make(chan chunk, 1)
	go func() {
		buf := make([]byte, len(p))
		n, err := in.r.Read(buf)
		read <- chunk{buf[:n], err}
	}()
	select {
	case <-in.ctx.Done():
		return 0, in.ctx.Err()
	case c := <-read:
		n := copy(p, c.data)
		in.offset += int64(n)
		in.count(n)
		return n, c.err
	}
}

// parseNumber reads decimal notation. strconv also takes hexadecimal floats,
// infinities and NaN, which the source does not hold.
func parseNumber(s string) (float64, error) {
	if strings.Trim(s, "0123456789+-.eE") == "" {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil {
			return v, nil
		}
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s is out of range: at most %g either way", quote(s), math.MaxFloat64)
		}
	}
	return 0, fmt.Errorf("%s is not a number such as -12.5 or 1e3 (a missing reading is an empty field)", quote(s))
}

// parseTime reads an instant, in microseconds of Unix time. In a file, unlike
// in a query string, no blank stands for a plus and none is trimmed.
func parseTime(s string) (pgrow.Micros, error) {
	if strings.TrimSpace(s) != s || strings.LastIndexByte(s, ' ') > len(time.DateOnly) {
		return 0, fmt.Errorf("%s is %w", quote(s), timestamp.ErrMalformed)
	}
	t, err := timestamp.Parse(s)
	if err != nil {
		return 0, fmt.Errorf("%s is %w", quote(s), err)
	}
	return pgrow.Micros(t.Time().UnixMicro()), nil
}

// parseTurbine reads a turbine's id.
func parseTurbine(s string) (int32, error) {
	id, err := strconv.ParseInt(s, 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%s is not a turbine's id from 1 to %d", quote(s), math.MaxInt32)
	}
	return int32(id), nil
}
