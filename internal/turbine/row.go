package turbine

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/delfos/delfos/gen/attribute"
)

// The types of attributes, as gen/attribute has them.
const (
	typeText     = "text"
	typeInterval = "interval"
	typeDate     = "date"
)

// A Row is what somebody says of one turbine.
type Row struct {
	ID     int32
	texts  map[string]string // by attribute; what is not there stays as it is
	values map[string]any    // the same, for JSON
	place  func(column string) string
}

// NewRow reads what is said of a turbine, attributes by name; an empty text is not
// known. place names an attribute in errors. The Error has every fault.
func NewRow(id int32, texts map[string]string, place func(column string) string) (Row, error) {
	r := Row{ID: id, texts: texts, values: map[string]any{}, place: place}
	var faults []string
	for _, column := range Attributes() {
		text, given := texts[column.Name]
		if !given {
			continue
		}
		value, err := parse(column, text)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s is %q: %v", place(column.Name), text, err))
		}
		r.values[column.Name] = value
	}
	if faults != nil {
		return Row{}, Error(strings.Join(faults, "; "))
	}
	return r, nil
}

func parse(column attribute.Column, text string) (any, error) {
	if column.Null && text == "" {
		return nil, nil //nolint:nilnil // JSON's null
	}
	switch column.Type {
	case typeText:
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return nil, errors.New("want UTF-8 without control characters")
		}
		return text, nil
	case typeInterval:
		length, err := time.ParseDuration(text)
		if seconds, notSeconds := strconv.ParseInt(text, 10, 32); notSeconds == nil {
			length, err = time.Duration(seconds)*time.Second, nil
		}
		if err != nil {
			return nil, errors.New("want a length of time such as 10m, or seconds such as 600")
		}
		return fmt.Sprintf("%f seconds", length.Seconds()), nil
	case typeDate:
		if day, err := time.Parse(time.DateOnly, text); err != nil || day.Year() < 1 {
			return nil, errors.New("want a day such as 2009-03-01")
		}
		return text, nil
	default:
		// strconv also takes hexadecimal floats, infinities and NaN.
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" {
			return nil, errors.New("want a number such as 82.5")
		}
		return number, nil
	}
}

// ParseID reads the id of a turbine.
func ParseID(text string) (int32, error) {
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("want an id from 1 to %d", math.MaxInt32)
	}
	return int32(id), nil
}

// ReadFile reads a CSV file, of this name in errors, whose header names id and attributes.
func ReadFile(name string, in io.Reader) ([]Row, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	file := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	header, err := file.Read()
	if errors.Is(err, io.EOF) {
		return nil, errorf("%s: line 1: the header is missing: %s", name, wantHeader())
	}
	if err != nil {
		return nil, errorf("%s: %v", name, syntax(err))
	}
	for i, column := range header {
		header[i] = strings.ToLower(strings.TrimSpace(column))
	}
	if err := checkHeader(header); err != nil {
		return nil, errorf("%s: line 1: %v", name, err)
	}
	var rows []Row
	lines := map[int32]int{} // by id
	for {
		record, err := file.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, errorf("%s: %v", name, syntax(err))
		}
		line, _ := file.FieldPos(0)
		place := func(column string) string { return fmt.Sprintf("%s: line %d: %s", name, line, column) }
		texts := make(map[string]string, len(header))
		for i, column := range header {
			texts[column] = record[i]
		}
		id, err := ParseID(texts[columnID])
		if first, twice := lines[id]; err == nil && twice {
			err = fmt.Errorf("it stands in line %d already", first)
		}
		if err != nil {
			return nil, errorf("%s is %q: %v", place(columnID), texts[columnID], err)
		}
		lines[id] = line
		row, err := NewRow(id, texts, place)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

const columnID = "id"

func wantHeader() string {
	return "wanted are " + columnID + " and any of " + strings.Join(Names(), ", ") + ", separated by commas"
}

func checkHeader(header []string) error {
	var unknown []string
	for i, name := range header {
		switch {
		case slices.Contains(header[:i], name):
			return fmt.Errorf("the column %s stands twice", name)
		case name != columnID && !slices.Contains(Names(), name):
			unknown = append(unknown, strconv.Quote(name))
		}
	}
	switch {
	case len(unknown) > 0:
		return fmt.Errorf("unknown %s: %s", strings.Join(unknown, ", "), wantHeader())
	case !slices.Contains(header, columnID):
		return fmt.Errorf("the column %s is missing: %s", columnID, wantHeader())
	}
	return nil
}

func syntax(err error) string {
	broken, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return err.Error()
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Sprintf("line %d: the line has not as many fields as the header", broken.StartLine)
	default:
		return fmt.Sprintf("line %d: %v", broken.StartLine, broken.Err)
	}
}
