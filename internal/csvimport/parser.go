package csvimport

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
)

const (
	columnTimestamp = "timestamp"
	columnTurbine   = "turbine_id"
	defaultTurbine  = 1

	bufferSize = 64 << 10
	byteMark   = "\ufeff"
)

// Places of a row's fields that are no variable; a variable's is its place in
// variable.Names.
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
	for i, column := range p.header {
		switch v := slices.Index(variable.Names[:], column); {
		case slices.Contains(p.header[:i], column):
			return &Error{File: p.name, Line: line, Column: column, Reason: "the column stands twice"}
		case column == columnTimestamp:
			p.places = append(p.places, placeTimestamp)
		case column == columnTurbine:
			p.places = append(p.places, placeTurbine)
		case v >= 0:
			p.places = append(p.places, v)
		default:
			return &Error{File: p.name, Line: line, Column: quote(column), Reason: "unknown column: " + allowedColumns()}
		}
	}
	for _, column := range requiredColumns() {
		if !slices.Contains(p.header, column) {
			return &Error{File: p.name, Line: line, Column: column, Reason: "the column is missing"}
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

// set takes a field of the line.
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
	switch {
	case got < want:
		return &Error{
			File: p.name, Line: int(p.row.Line), Column: p.header[got],
			Reason: fmt.Sprintf("the field is missing: the header has %d fields, the line %d", want, got),
		}
	case got > want:
		return &Error{
			File: p.name, Line: int(p.row.Line), Column: p.header[want-1],
			Reason: fmt.Sprintf("something follows the last field: the header has %d fields, the line %d", want, got),
		}
	}
	return nil
}

// fault turns an error of the CSV reader into ours. record is what it had read
// of the line: as many fields as stand before the bad one.
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

// allowRecord lets the input go on by one record and what the buffer reads
// ahead.
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
