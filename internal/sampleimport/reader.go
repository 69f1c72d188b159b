package sampleimport

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
)

// A row is a record of a file, checked. A reading that is NaN is one that the file says
// nothing of; one that is not valid is missing.
type row = importdb.StageLinesRow

// A reader reads the rows of one file; its errors are *Error, apart from both ends.
type reader struct {
	*opener

	file  File
	table table
	names []string
	// Where in a record each name is, -1 where it is not.
	timestamp, turbine, turbineID int
	variables                     [variable.Count]int

	farm *farm
	seen *observations
	row  row
}

func newReader(o *opener, number int32, f File, farm *farm, seen *observations) (r *reader, err error) {
	r = &reader{opener: o, file: f, farm: farm, seen: seen}
	defer r.damage(&err)
	r.row.File = number
	told := o.rules
	if r.table, err = o.open(f); err != nil {
		return nil, r.fault(err)
	}
	r.names = r.table.columns()
	if reason := r.locate(); reason != "" {
		line, unit := r.table.place()
		return nil, &Error{File: f.Name, unit: unit, Line: int(line), Reason: reason}
	}
	used := append([]int{r.timestamp, r.turbine, r.turbineID}, r.variables[:]...)
	if err := r.table.use(slices.DeleteFunc(used, func(i int) bool { return i < 0 })); err != nil {
		return nil, r.fault(err)
	}
	_, unit := r.table.place()
	seen.units = append(seen.units, unit)
	for i, column := range r.variables {
		if column >= 0 {
			seen.variables[i].files++
		}
	}
	if csv, ok := r.table.(*csvTable); ok {
		if told.decimal == 0 && csv.delimiter != ',' && r.commaIsPlain(csv.records) {
			o.rules.decimal = ','
		}
		seen.note(f.Name, dialect(told, o.rules))
	}
	return r, nil
}

// commaIsPlain reports whether readings have a decimal comma. One before three digits may group.
func (r *reader) commaIsPlain(records [][]string) bool {
	plain := false
	for _, record := range records {
		for _, i := range r.variables {
			if i < 0 {
				continue
			}
			whole, fraction, found := strings.Cut(record[i], ",")
			switch {
			case !found && !strings.Contains(whole, "."):
			case !found || strings.Trim(fraction, "0123456789eE+-") != "":
				return false
			case len(fraction) != 3 || strings.Trim(whole, "+-0") == "":
				plain = true
			}
		}
	}
	return plain
}

// locate finds the columns. A fault is the reason that is returned.
func (r *reader) locate() (fault string) {
	holds := make([]string, len(r.names)) // the name of what a column holds
	var missing, unknown, twice []string
	for _, m := range r.rules.columns {
		i := find(r.names, m.column)
		if i < 0 {
			missing = append(missing, quote(m.column))
			continue
		}
		holds[i] = m.name
	}
	for i, name := range r.names {
		own := strings.ToLower(name)
		switch known := slices.Contains(names(), own); {
		case holds[i] != "":
		case known && !slices.ContainsFunc(r.rules.columns, func(m mapping) bool { return m.name == own }):
			holds[i] = own
		case len(r.rules.columns) == 0:
			unknown = append(unknown, quote(name))
		}
	}
	place := map[string]int{}
	for i, name := range holds {
		if before, ok := place[name]; ok && name != "" {
			twice = append(twice, fmt.Sprintf("%s is in two columns, %s (#%d) and %s (#%d)", name, quote(r.names[before]), before+1, quote(r.names[i]), i+1))
		}
		place[name] = i
	}
	at := func(name string) int {
		if i, ok := place[name]; ok {
			return i
		}
		return -1
	}
	r.timestamp, r.turbine, r.turbineID = at(columnTimestamp), at(columnTurbine), at(columnTurbineID)
	readings := 0
	for i, name := range variable.Names {
		if r.variables[i] = at(name); r.variables[i] >= 0 {
			readings++
		}
	}
	switch {
	case missing != nil:
		return fmt.Sprintf("column %s is not in the header, which has %s%s", strings.Join(missing, ", "), shown(r.names), r.undecoded())
	case unknown != nil:
		return fmt.Sprintf("unknown column %s%s: %s%s", strings.Join(unknown[:min(len(unknown), maxColumns)], ", "), r.separated(), wanted()+mapped, r.undecoded())
	case twice != nil:
		return strings.Join(twice, "; ")
	case r.timestamp < 0:
		return "no column is the timestamp: " + wanted() + mapped
	case readings == 0:
		return "no column is a variable: " + wanted() + mapped
	case r.turbine >= 0 && r.turbineID >= 0:
		return "the turbine is told by name and by id; one of them is enough"
	case r.farm.told != 0 && (r.turbine >= 0 || r.turbineID >= 0):
		return "a column holds the turbine; --turbine is for files without one"
	}
	return ""
}

// find returns which column is meant by its name, in any case, or by its number; -1 for none.
func find(columns []string, meant string) int {
	if i := slices.IndexFunc(columns, func(name string) bool { return strings.EqualFold(name, meant) }); i >= 0 {
		return i
	}
	number, ok := strings.CutPrefix(meant, "#")
	if n, err := strconv.Atoi(number); ok && err == nil && n >= 1 && n <= len(columns) {
		return n - 1
	}
	return -1
}

const maxColumns = 30

func shown(columns []string) string {
	var names []string
	for _, c := range columns[:min(len(columns), maxColumns)] {
		names = append(names, quote(c))
	}
	if more := len(columns) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func wanted() string {
	return fmt.Sprintf("wanted are %s, at least one of %s, and %s or %s if there are several turbines",
		columnTimestamp, strings.Join(variable.Names[:], ", "), columnTurbineID, columnTurbine)
}

// mapped says how a column with another name is told.
const mapped = "; --map COLUMN=NAME tells which column is one of them, and leaves the rest out"

func (r *reader) separated() string {
	if d := dialect(rules{}, r.rules); d != "" {
		return " (" + d + ")"
	}
	return ""
}

func (r *reader) undecoded() string {
	if utf8.ValidString(strings.Join(r.names, "")) {
		return ""
	}
	return "; the header is not UTF-8, --encoding windows-1252 or another reads it"
}

// next returns the next row, valid until the call after, or io.EOF.
func (r *reader) next() (_ *row, err error) {
	defer r.damage(&err)
	if err := r.table.next(); err != nil {
		return nil, r.fault(err)
	}
	line, unit := r.table.place()
	r.row.Line = line
	fault := func(column int, err error) (*row, error) {
		return nil, &Error{File: r.file.Name, unit: unit, Line: int(line), Column: r.names[column], Reason: err.Error()}
	}
	switch {
	case r.turbine >= 0:
		if r.row.TurbineID, err = r.farm.named(r.table.value(r.turbine)); err != nil {
			return fault(r.turbine, err)
		}
	case r.turbineID >= 0:
		if r.row.TurbineID, err = turbineID(r.table.value(r.turbineID)); err != nil {
			return fault(r.turbineID, err)
		}
	default:
		r.row.TurbineID = r.farm.told
		if r.farm.told == 0 {
			r.row.TurbineID = defaultTurbine
		}
	}
	t := r.seen.track(&r.row)
	at, err := r.rules.clock.instant(r.table.value(r.timestamp), t)
	if err == nil {
		err = r.seen.believe(at)
	}
	if err != nil {
		return fault(r.timestamp, err)
	}
	r.row.Timestamp = pgrow.Micros(at.UnixMicro())
	for i, column := range r.variables {
		if column < 0 {
			r.row.Readings[i] = sql.Null[float64]{V: math.NaN(), Valid: true}
			continue
		}
		raw, reading, err := r.rules.reading(i, r.table.value(column))
		if err != nil {
			return fault(column, err)
		}
		r.row.Readings[i] = reading
		r.seen.variables[i].add(raw, reading.Valid)
	}
	r.seen.add(t, at, &r.row)
	return &r.row, nil
}

// damage makes an Error of a panic: the libraries that read files of columns believe
// some of the lengths and places that a file names.
func (r *reader) damage(err *error) {
	if _, ours := r.table.(*csvTable); ours {
		return
	}
	if found := recover(); found != nil {
		reason, _, _ := strings.Cut(fmt.Sprint(found), "\n")
		*err = r.fault(fmt.Errorf("the file is damaged: %s", reason))
	}
}

// fault makes an Error of what a table returned, apart from the ends of file and context.
func (r *reader) fault(err error) error {
	record, ok := errors.AsType[*recordError](err)
	switch {
	case errors.Is(err, io.EOF), r.ctx.Err() != nil:
		return err
	case ok:
		e := &Error{File: r.file.Name, Line: int(record.line), Reason: record.reason}
		if record.column < len(r.names) {
			e.Column = r.names[record.column]
		}
		return e
	default:
		return fileFault(r.file.Name, err)
	}
}

// defaultTurbine is the turbine of a file that names none.
const defaultTurbine = 1

// A farm finds turbines. New names get ids when all rows are staged; until then the n-th is -n.
type farm struct {
	told   int32 // the turbine of files without one, 0 for none
	byName map[string][]int32
	added  []string
	number map[string]int32 // of those added
}

func newFarm(known []importdb.Turbine, turbine string) (*farm, error) {
	f := &farm{byName: map[string][]int32{}, number: map[string]int32{}}
	for _, t := range known {
		f.byName[t.Name] = append(f.byName[t.Name], t.ID)
	}
	if turbine == "" {
		return f, nil
	}
	read := f.named
	if strings.Trim(turbine, "0123456789") == "" {
		read = turbineID
	}
	var err error
	if f.told, err = read(value{kind: kindText, text: turbine}); err != nil {
		return nil, fmt.Errorf("--turbine: %w", err)
	}
	return f, nil
}

func (f *farm) named(v value) (int32, error) {
	name := v.word()
	if name == "" {
		return 0, errors.New("the turbine's name is missing")
	}
	switch ids := f.byName[name]; {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return 0, fmt.Errorf("%s is the name of turbines %d and %d; a column %s or --turbine tells them apart", quote(name), ids[0], ids[1], columnTurbineID)
	}
	if f.number[name] == 0 {
		f.added = append(f.added, strings.Clone(name))
		f.number[f.added[len(f.added)-1]] = -int32(len(f.added))
	}
	return f.number[name], nil
}

func turbineID(v value) (int32, error) {
	id, err := strconv.ParseInt(v.word(), 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%s is not a turbine's id from 1 to %d; a column that holds names is mapped to %s", quote(v.word()), math.MaxInt32, columnTurbine)
	}
	return int32(id), nil
}
