package sampleimport

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
)

const header = "timestamp,wind_speed,power,ambient_temperature\n"

func parse(ctx context.Context, r io.Reader, format Format) ([]row, error) {
	rules, err := format.rules()
	if err != nil {
		return nil, err
	}
	o := &opener{ctx: ctx, rules: rules, count: func(int) {}}
	defer o.close()
	file := File{Name: "a.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
	turbines, err := newFarm(nil, "")
	if err != nil {
		return nil, err
	}
	in, err := newReader(o, 0, file, turbines, newObservations(Options{AllowDates: true}))
	if err != nil {
		return nil, err
	}
	var rows []row
	for {
		r, err := in.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, *r)
	}
}

// micros returns an instant of 2025-01-02 in microseconds of Unix time.
func micros(hour, minute int) pgrow.Micros {
	return pgrow.Micros(time.Date(2025, 1, 2, hour, minute, 0, 0, time.UTC).UnixMicro())
}

// lineOf is the row of a line; a reading that is NaN is missing.
func lineOf(turbine int32, at pgrow.Micros, line int64, readings ...float64) row {
	r := row{TurbineID: turbine, Timestamp: at, Line: line}
	for i, v := range readings {
		if !math.IsNaN(v) {
			r.Readings[i] = sql.Null[float64]{V: v, Valid: true}
		}
	}
	return r
}

func TestParse(t *testing.T) {
	t.Parallel()
	full := lineOf(1, micros(0, 1), 2, 8.5, -12, 21)
	for name, tt := range map[string]struct {
		text string
		want []row
	}{
		"header alone":      {header, nil},
		"without line end":  {strings.TrimSuffix(header, "\n"), nil},
		"LF":                {header + "2025-01-02T00:01:00,8.5,-12,21\n", []row{full}},
		"no LF at the end":  {header + "2025-01-02T00:01:00,8.5,-12,21", []row{full}},
		"CRLF":              {strings.ReplaceAll(header, "\n", "\r\n") + "2025-01-02T00:01:00,8.5,-12,21\r\n", []row{full}},
		"byte order mark":   {"\ufeff" + header + "2025-01-02T00:01:00,8.5,-12,21\n", []row{full}},
		"mark and quote":    {"\ufeff\"timestamp\",wind_speed,power,ambient_temperature\n2025-01-02T00:01:00,8.5,-12,21\n", []row{full}},
		"quoted fields":     {header + `"2025-01-02T00:01:00","8.5","-12","21"` + "\n", []row{full}},
		"columns reordered": {"power,timestamp,ambient_temperature,wind_speed\n-12,2025-01-02T00:01:00,21,8.5\n", []row{full}},
		"missing readings": {header + "2025-01-02,,1,\"\"\n2025-01-02,1,,1\n", []row{
			lineOf(1, micros(0, 0), 2, math.NaN(), 1, math.NaN()),
			lineOf(1, micros(0, 0), 3, 1, math.NaN(), 1),
		}},
		"turbines": {
			"turbine_id,timestamp,wind_speed,power,ambient_temperature\n7,2025-01-02,1,1,1\n2147483647,2025-01-02,1,1,1\n",
			[]row{
				lineOf(7, micros(0, 0), 2, 1, 1, 1),
				lineOf(math.MaxInt32, micros(0, 0), 3, 1, 1, 1),
			},
		},
		"blank lines": {"\n" + header + "\n\n2025-01-02,1,1,1\n\n", []row{
			lineOf(1, micros(0, 0), 5, 1, 1, 1),
		}},
		"numbers": {header + "2025-01-02,1e9,+.5,-1.7976931348623157e+308\n2025-01-02,5.,1E-3,007\n", []row{
			lineOf(1, micros(0, 0), 2, 1e9, 0.5, -math.MaxFloat64),
			lineOf(1, micros(0, 0), 3, 5, 0.001, 7),
		}},
		"timestamps": {
			header + "2025-01-02T00:01:00Z,1,1,1\n2025-01-02 00:02:00,1,1,1\n2025-01-02T01:03:00+01:00,1,1,1\n" +
				"2025-01-01 19:04:00-05,1,1,1\n2025-01-02T00:05:00.000000000z,1,1,1\n2025-01-02t00:06,1,1,1\n",
			[]row{
				lineOf(1, micros(0, 1), 2, 1, 1, 1),
				lineOf(1, micros(0, 2), 3, 1, 1, 1),
				lineOf(1, micros(0, 3), 4, 1, 1, 1),
				lineOf(1, micros(0, 4), 5, 1, 1, 1),
				lineOf(1, micros(0, 5), 6, 1, 1, 1),
				lineOf(1, micros(0, 6), 7, 1, 1, 1),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One byte at a time: nothing may depend on how the bytes arrive.
			got, err := parse(t.Context(), iotest.OneByteReader(strings.NewReader(tt.text)), Format{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	const (
		wanted = "wanted are timestamp, at least one of wind_speed, power, ambient_temperature, and turbine_id or turbine if there are several turbines"
		mapped = wanted + "; --map COLUMN=NAME tells which column is one of them, and leaves the rest out"
		number = " is not a number such as -12.5 or 1e3; "
		id     = " is not a turbine's id from 1 to 2147483647; a column that holds names is mapped to turbine"
		when   = " is not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01"
		good   = "2025-01-02,1,1,1\n"
	)
	withTurbine := "timestamp,wind_speed,power,ambient_temperature,turbine_id\n"
	for name, tt := range map[string]struct{ text, want string }{
		"empty file":        {"", "a.csv: line 1: the header is missing: " + wanted},
		"mark alone":        {"\ufeff", "a.csv: line 1: the header is missing: " + wanted},
		"blank lines":       {"\n\r\n", "a.csv: line 2: the header is missing: " + wanted},
		"no header":         {good, `a.csv: line 1: unknown column "2025-01-02", "1", "1", "1": ` + mapped},
		"unknown column":    {"timestamp,wind_speed,power,ambient_temperature,rpm\n", `a.csv: line 1: unknown column "rpm": ` + mapped},
		"unnamed column":    {"timestamp,,power,ambient_temperature\n", `a.csv: line 1: unknown column "": ` + mapped},
		"column twice":      {"timestamp,power,wind_speed,power,ambient_temperature\n", `a.csv: line 1: power is in two columns, "power" (#2) and "power" (#4)`},
		"no timestamp":      {"wind_speed,power,ambient_temperature\n", "a.csv: line 1: no column is the timestamp: " + mapped},
		"no variable":       {"timestamp,turbine_id\n", "a.csv: line 1: no column is a variable: " + mapped},
		"quote in header":   {"timestamp,wind\"_speed\n", `a.csv: line 1: unknown column "wind\"_speed": ` + mapped},
		"decimal comma":     {header + good + "2025-01-02,1,\"12,5\",1\n", `a.csv: line 3: power: "12,5"` + number + "--decimal comma tells another decimal sign"},
		"text":              {header + "2025-01-02,calm,1,1\n", `a.csv: line 2: wind_speed: "calm"` + number + `--null "calm" makes it a missing reading`},
		"NaN":               {header + "2025-01-02,1,1,NaN\n", `a.csv: line 2: ambient_temperature: "NaN"` + number + `--null "NaN" makes it a missing reading`},
		"infinity":          {header + "2025-01-02,1,-inf,1\n", `a.csv: line 2: power: "-inf"` + number + `--null "-inf" makes it a missing reading`},
		"hexadecimal":       {header + "2025-01-02,1,0x1p-2,1\n", `a.csv: line 2: power: "0x1p-2"` + number + `--null "0x1p-2" makes it a missing reading`},
		"underscore":        {header + "2025-01-02,1,1_000,1\n", `a.csv: line 2: power: "1_000"` + number + `--null "1_000" makes it a missing reading`},
		"a lone sign":       {header + "2025-01-02,1,-,1\n", `a.csv: line 2: power: "-"` + number + `--null "-" makes it a missing reading`},
		"NULL in letters":   {header + "2025-01-02,1,NULL,1\n", `a.csv: line 2: power: "NULL"` + number + `--null "NULL" makes it a missing reading`},
		"out of range":      {header + "2025-01-02,1,1e999,1\n", `a.csv: line 2: power: "1e999" is out of range: at most 1.7976931348623157e+308 either way`},
		"first fault":       {header + good + good + "x,y,z,1\n", `a.csv: line 4: timestamp: "x"` + when},
		"no time":           {header + ",1,1,1\n", `a.csv: line 2: timestamp: the time is missing`},
		"epoch":             {header + "1735689600,1,1,1\n", `a.csv: line 2: timestamp: "1735689600"` + when + "; --date-format unix reads it"},
		"no such day":       {header + "2025-02-30,1,1,1\n", `a.csv: line 2: timestamp: "2025-02-30"` + when},
		"blank as plus":     {header + "2025-01-02T00:00:00 01:00,1,1,1\n", `a.csv: line 2: timestamp: "2025-01-02T00:00:00 01:00"` + when},
		"year 0":            {header + "0000-12-31,1,1,1\n", `a.csv: line 2: timestamp: "0000-12-31" is not within the years 0001 to 9999 (UTC)`},
		"turbine 0":         {withTurbine + "2025-01-02,1,1,1,0\n", `a.csv: line 2: turbine_id: "0"` + id},
		"turbine -1":        {withTurbine + "2025-01-02,1,1,1,-1\n", `a.csv: line 2: turbine_id: "-1"` + id},
		"turbine too large": {withTurbine + "2025-01-02,1,1,1,2147483648\n", `a.csv: line 2: turbine_id: "2147483648"` + id},
		"turbine 1.0":       {withTurbine + "2025-01-02,1,1,1,1.0\n", `a.csv: line 2: turbine_id: "1.0"` + id},
		"no turbine":        {withTurbine + "2025-01-02,1,1,1,\n", `a.csv: line 2: turbine_id: ""` + id},
		"too few fields":    {header + good + "2025-01-02,1\n", "a.csv: line 3: power: the field is missing: the header has 4 fields, the line 2"},
		"too many fields":   {header + "2025-01-02,1,12,5,1\n", "a.csv: line 2: ambient_temperature: something follows the last field: the header has 4 fields, the line 5"},
		"quote inside":      {header + "2025-01-02,1,1\"2,1\n", `a.csv: line 2: power: "1\"2"` + number + `--null "1\"2" makes it a missing reading`},
		"text after quote":  {header + "2025-01-02,\"1\"2,1,1\n", "a.csv: line 2: wind_speed: the quoted field is not closed, or something follows its closing quote"},
		"quote not closed":  {header + good + "2025-01-02,1,\"12,1\n" + good + good, "a.csv: line 3: power: the quoted field is not closed, or something follows its closing quote"},
		"closed too late":   {header + "2025-01-02,1,\"12,1\n2025-01-02,1,\"12\",1\n", "a.csv: line 2: power: the quoted field is not closed, or something follows its closing quote"},
		"line break inside": {header + "2025-01-02,1,\"1\n2\",x\n", `a.csv: line 2: power: "1\n2"` + number + `--null "1\n2" makes it a missing reading`},
		"lines before it":   {header + "\"2025-01-02\",1,1,1\n\n2025-01-02,1,1,x\n", `a.csv: line 4: ambient_temperature: "x"` + number + `--null "x" makes it a missing reading`},
		"long value": {
			header + "2025-01-02,1," + strings.Repeat("9x", 100) + ",1\n",
			`a.csv: line 2: power: "` + strings.Repeat("9x", 30) + `"…` + number + `--null "` + strings.Repeat("9x", 30) + `"… makes it a missing reading`,
		},
		"not UTF-8":      {header + "2025-01-02,1,\xff\x01,1\n", `a.csv: line 2: power: "\xff\x01"` + number + `--null "\xff\x01" makes it a missing reading`},
		"long record":    {header + good + `2025-01-02,1,"` + strings.Repeat("1\n", 1<<20), "a.csv: line 3: the record is longer than 1 MiB; is a quote not closed?"},
		"one long line":  {strings.Repeat("x", 2<<20), "a.csv: line 1: the record is longer than 1 MiB; is a quote not closed?"},
		"long, after ok": {header + strings.Repeat(good, 100_000) + strings.Repeat("x", 2<<20), "a.csv: line 100002: the record is longer than 1 MiB; is a quote not closed?"},
		"trailing field": {header + "2025-01-02,1,2,3,\n", "a.csv: line 2: ambient_temperature: something follows the last field: the header has 4 fields, the line 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t.Context(), strings.NewReader(tt.text), Format{})
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("got a %T, want an *Error", err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	_, err := parse(t.Context(), io.MultiReader(strings.NewReader(header+"2025-01-02,1,1"), iotest.ErrReader(broken)), Format{})
	if !errors.Is(err, broken) || err.Error() != "a.csv: the disk is gone" {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsBlockedRead(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := parse(ctx, r, Format{})
		done <- err
	}()
	// Written once the parser reads; it then blocks on the next read.
	if _, err := io.WriteString(w, header); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// binaries are two rows as Parquet, as an Arrow stream, and packed.
func binaries(f testing.TB) [][]byte {
	f.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "timestamp", Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "wind_speed", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "power", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "ambient_temperature", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for _, line := range []string{
		`{"timestamp": "2025-01-02T01:00:00Z", "wind_speed": 5.25, "power": -12, "ambient_temperature": "1.5"}`,
		`{"timestamp": "2025-01-02T01:10:00Z", "wind_speed": null, "power": null, "ambient_temperature": ""}`,
	} {
		if err := b.UnmarshalJSON([]byte(line)); err != nil {
			f.Fatal(err)
		}
	}
	rows := b.NewRecordBatch()
	var stream, columns, packed bytes.Buffer
	arrows := ipc.NewWriter(&stream, ipc.WithSchema(schema))
	parquets, err := pqarrow.NewFileWriter(schema, &columns, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		f.Fatal(err)
	}
	for _, w := range []interface {
		Write(rows arrow.RecordBatch) error
		Close() error
	}{arrows, parquets} {
		if err := errors.Join(w.Write(rows), w.Close()); err != nil {
			f.Fatal(err)
		}
	}
	z := gzip.NewWriter(&packed)
	_, err = z.Write(stream.Bytes())
	if err := errors.Join(err, z.Close()); err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{stream.Bytes(), columns.Bytes(), packed.Bytes()}
	for _, seed := range seeds {
		if rows, err := parse(f.Context(), bytes.NewReader(seed), Format{}); err != nil || len(rows) == 0 {
			f.Fatalf("a seed has %d rows: %v", len(rows), err)
		}
	}
	return seeds
}

// A file of columns that is damaged is a fault of the file, told in a line. Of Arrow's
// schema arrow-go believes every count, as far as the memory goes; it is left out here.
func TestDamagedColumns(t *testing.T) {
	t.Parallel()
	for _, whole := range binaries(t) {
		from := 0
		if bytes.HasPrefix(whole, []byte("\xff\xff\xff\xff")) {
			from = 8 + int(binary.LittleEndian.Uint32(whole[4:]))
		}
		for i := from; i < len(whole); i += 5 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 0xff
			if _, err := parse(t.Context(), bytes.NewReader(damaged), Format{}); err != nil {
				if _, ok := errors.AsType[*Error](err); !ok || strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("byte %d of %d is damaged: the error is no *Error of one line: %q", i, len(whole), err)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header + "2025-01-02T00:01:00Z,8.5,-12,\n"))
	f.Add([]byte("\ufeffturbine_id,timestamp,wind_speed,power,ambient_temperature\r\n7,2025-01-02,1e9,+.5,\"\"\r\n"))
	f.Add([]byte(header + "2025-01-02,1,\"12,1\n\n\"\n"))
	f.Add([]byte(header + "2025-01-02 00:00:00 01:00,NaN,0x1p4,1e999\n"))
	for _, seed := range binaries(f) {
		if bytes.HasPrefix(seed, []byte("PAR1")) { // see TestDamagedColumns of the others
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := parse(t.Context(), bytes.NewReader(text), Format{})
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error is no *Error of one line: %q", err)
			}
		}
		line := int64(0)
		for _, r := range rows {
			for _, v := range r.Readings {
				if math.IsNaN(v.V) || math.IsInf(v.V, 0) || (!v.Valid && v.V != 0) {
					t.Errorf("line %d holds %g", r.Line, v.V)
				}
			}
			if year := r.Timestamp.Time().Year(); year < 1 || year > 9999 {
				t.Errorf("line %d is of the year %d", r.Line, year)
			}
			if r.TurbineID == 0 || r.Line <= line { // below 0 it is a new name's
				t.Errorf("turbine %d on line %d after line %d", r.TurbineID, r.Line, line)
			}
			line = r.Line
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const rows = 100_000
	text := header + strings.Repeat("2025-01-01T00:01:00Z,5.792603548243223,129.52087093094104,21.784795820898974\n", rows)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		o := &opener{ctx: b.Context(), count: func(int) {}}
		o.rules, _ = Format{}.rules()
		file := File{Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		r, err := newReader(o, 0, file, &farm{}, newObservations(Options{}))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.next()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}
