package sampleimport

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/delfos/delfos/gen/variable"
)

// A Format says how files are written, in the words of the command line. The zero Format is Delfos's
// own form, and any dialect that is plain from the file.
type Format struct {
	Map        []string // COLUMN=NAME; COLUMN is a name in the header, or #3
	TimeZone   string   // of timestamps without an offset
	DateFormat string
	Delimiter  string
	Decimal    string
	HeaderLine int // the physical line of the header, 0 for the first that is not blank
	SkipLines  int // physical lines behind the header that are left out
	Comment    string
	Null       []string // values that are a missing reading, besides the empty one
	Encoding   string
	Scale      []string // VARIABLE=FACTOR
}

// Names of columns that are not a variable.
const (
	columnTimestamp = "timestamp"
	columnTurbine   = "turbine"
	columnTurbineID = "turbine_id"
)

func names() []string {
	return append([]string{columnTimestamp, columnTurbine, columnTurbineID}, variable.Names[:]...)
}

type rules struct {
	Format

	columns     []mapping
	clock       clock
	delimiter   byte // 0 where it was not told
	decimal     byte // likewise
	encoding    encoding.Encoding
	nullNumbers []float64
	scale       [variable.Count]float64
}

type mapping struct{ column, name string }

func delimiters() map[string]byte {
	return map[string]byte{"comma": ',', "semicolon": ';', "tab": '\t', `\t`: '\t', "space": ' ', "pipe": '|'}
}

// rules reads the options; the error names each fault.
func (f Format) rules() (rules, error) {
	r := rules{Format: f}
	var faults []error
	fault := func(option, value, want string) {
		faults = append(faults, fmt.Errorf("%s is %s: want %s", option, quote(value), want))
	}
	for _, text := range f.Map {
		column, name, ok := cutLast(text)
		if !ok || !slices.Contains(names(), name) {
			fault("map", text, "COLUMN=NAME, with a name of "+strings.Join(names(), ", "))
		}
		r.columns = append(r.columns, mapping{column, name})
	}
	for _, text := range f.Scale {
		name, factor, _ := cutLast(text)
		v, err := strconv.ParseFloat(factor, 64)
		i := slices.Index(variable.Names[:], name)
		if err != nil || i < 0 || v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			fault("scale", text, "VARIABLE=FACTOR, such as power=0.001, with a variable of "+strings.Join(variable.Names[:], ", "))
			continue
		}
		r.scale[i] = v
	}
	for _, text := range f.Null {
		if v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64); err == nil {
			r.nullNumbers = append(r.nullNumbers, v)
		}
	}
	r.separators(fault)
	for option, n := range map[string]int{"header-line": f.HeaderLine, "skip-lines": f.SkipLines} {
		if n < 0 {
			fault(option, strconv.Itoa(n), "a number of lines")
		}
	}
	var err error
	if f.Encoding != "" {
		if r.encoding, err = htmlindex.Get(f.Encoding); err != nil {
			fault("encoding", f.Encoding, "a name such as utf-8, utf-16le, iso-8859-1, windows-1252 or gbk")
		}
	}
	if r.clock.zone, err = zone(f.TimeZone); err != nil {
		fault("time-zone", f.TimeZone, "a name such as Europe/Berlin, UTC, or an offset such as +03:00")
	}
	if r.clock.read, err = layout(f.DateFormat); err != nil {
		fault("date-format", f.DateFormat, err.Error())
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return r, errors.Join(faults...)
}

func (r *rules) separators(fault func(option, value, want string)) {
	d := r.Delimiter
	known, ok := delimiters()[d]
	switch {
	case ok:
		r.delimiter = known
	case len(d) == 1 && !strings.ContainsAny(d, "\"\r\n") && d[0] < 0x80:
		r.delimiter = d[0]
	case d != "":
		fault("delimiter", d, "one ASCII character, or comma, semicolon, tab, space or pipe")
	}
	switch r.Decimal {
	case "":
	case ".", "point":
		r.decimal = '.'
	case ",", "comma":
		r.decimal = ','
	default:
		fault("decimal", r.Decimal, "point or comma")
	}
	if r.decimal == ',' && r.delimiter == ',' {
		fault("decimal", r.Decimal, "point, because the comma separates the columns")
	}
}

// cutLast cuts COLUMN=NAME at the last sign, because a column's name may have one.
func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return text, "", false
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
}

// reading reads a variable's value: as it is in the file, and as it is stored.
func (r *rules) reading(place int, v value) (raw float64, reading sql.Null[float64], err error) {
	if v.kind == kindText {
		if v, err = r.number(v.text); err != nil {
			return 0, reading, err
		}
	}
	switch {
	case v.kind == kindNone || math.IsNaN(v.number) || slices.Contains(r.nullNumbers, v.number):
		return 0, reading, nil
	case v.kind != kindNumber:
		return 0, reading, errors.New("the column holds times, not numbers")
	case math.IsInf(v.number, 0):
		return 0, reading, fmt.Errorf("%g is not a finite number", v.number)
	}
	reading = sql.Null[float64]{V: v.number, Valid: true}
	if r.scale[place] != 0 {
		if reading.V *= r.scale[place]; math.IsInf(reading.V, 0) {
			return 0, reading, fmt.Errorf("%g is out of range when it is scaled by %g", v.number, r.scale[place])
		}
	}
	return v.number, reading, nil
}

// number reads decimal notation. strconv also takes hexadecimal floats, infinities and NaN.
func (r *rules) number(s string) (value, error) {
	if s == "" || slices.ContainsFunc(r.Null, func(null string) bool { return strings.EqualFold(null, s) }) {
		return value{}, nil
	}
	digits, example, other := s, "-12.5", "comma"
	if r.decimal == ',' {
		digits, example, other = strings.NewReplacer(",", ".", ".", ",").Replace(s), "-12,5", "point"
	}
	if strings.Trim(digits, "0123456789+-.eE") == "" {
		v, err := strconv.ParseFloat(digits, 64)
		if err == nil {
			return number(v), nil
		}
		if errors.Is(err, strconv.ErrRange) {
			return value{}, fmt.Errorf("%s is out of range: at most %g either way", quote(s), math.MaxFloat64)
		}
	}
	hint := "--null " + quote(s) + " makes it a missing reading"
	if strings.Contains(digits, ",") && strings.Trim(s, "0123456789+-.,eE") == "" {
		hint = "--decimal " + other + " tells another decimal sign"
	}
	return value{}, fmt.Errorf("%s is not a number such as %s or 1e3; %s", quote(s), example, hint)
}
