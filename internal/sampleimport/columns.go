package sampleimport

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// An arrowTable reads the rows of record batches: of an Arrow file or stream.
type arrowTable struct {
	schema *arrow.Schema
	// open returns the batches, and where in them each column is.
	open    func(columns []int) (array.RecordReader, map[int]int, error)
	reader  array.RecordReader
	at      map[int]int
	batch   arrow.RecordBatch
	i       int // the row in the batch
	started int64
}

func openArrow(r io.Reader) (table, error) {
	reader, err := ipc.NewReader(r, ipc.WithAllocator(bounded{memory.DefaultAllocator}))
	if err != nil {
		return nil, err
	}
	return &arrowTable{schema: reader.Schema(), open: func(columns []int) (array.RecordReader, map[int]int, error) {
		at := map[int]int{}
		for _, c := range columns {
			at[c] = c
		}
		return reader, at, nil
	}}, nil
}

// bounded refuses what no column of a batch needs, but a damaged length may ask for: Go
// ends the program that asks for more memory than there is.
type bounded struct{ memory.Allocator }

const maxBuffer = 1 << 30

func (b bounded) Allocate(size int) []byte {
	checkSize(size)
	return b.Allocator.Allocate(size)
}

func (b bounded) Reallocate(size int, buffer []byte) []byte {
	checkSize(size)
	return b.Allocator.Reallocate(size, buffer)
}

func checkSize(size int) {
	if size < 0 || size > maxBuffer {
		panic(fmt.Sprintf("a part of it claims to have %d bytes; at most %d are read at once", size, maxBuffer))
	}
}

func (t *arrowTable) columns() []string {
	names := make([]string, t.schema.NumFields())
	for i, f := range t.schema.Fields() {
		names[i] = f.Name
	}
	return names
}

func (t *arrowTable) use(columns []int) (err error) {
	t.reader, t.at, err = t.open(columns)
	return err
}

func (t *arrowTable) place() (int64, string) { return t.started + int64(t.i) + 1, unitRow }

func (t *arrowTable) next() error {
	if t.batch != nil && int64(t.i)+1 < t.batch.NumRows() {
		t.i++
		return nil
	}
	for {
		if t.batch != nil {
			t.started += t.batch.NumRows()
		}
		if t.batch, t.i = nil, 0; !t.reader.Next() {
			if err := t.reader.Err(); err != nil && !isEnd(err) {
				return err
			}
			return io.EOF
		}
		if t.batch = t.reader.RecordBatch(); t.batch.NumRows() > 0 {
			return nil
		}
	}
}

func (t *arrowTable) value(column int) value {
	return valueOf(t.batch.Column(t.at[column]), t.i)
}

func valueOf(column arrow.Array, i int) value {
	if column.IsNull(i) {
		return value{}
	}
	switch c := column.(type) {
	case *array.Float64:
		return number(c.Value(i))
	case *array.Float32:
		return number(float64(c.Value(i)))
	case *array.Int64:
		return number(float64(c.Value(i)))
	case *array.Int32:
		return number(float64(c.Value(i)))
	case *array.Int16:
		return number(float64(c.Value(i)))
	case *array.Int8:
		return number(float64(c.Value(i)))
	case *array.Uint64:
		return number(float64(c.Value(i)))
	case *array.Uint32:
		return number(float64(c.Value(i)))
	case *array.Uint16:
		return number(float64(c.Value(i)))
	case *array.Uint8:
		return number(float64(c.Value(i)))
	case *array.Date32:
		return moment(c.Value(i).ToTime(), false)
	case *array.Date64:
		return moment(c.Value(i).ToTime(), false)
	case *array.Timestamp:
		of, _ := c.DataType().(*arrow.TimestampType)
		return moment(c.Value(i).ToTime(of.Unit), of.TimeZone != "")
	case *array.Dictionary:
		return valueOf(c.Dictionary(), c.GetValueIndex(i))
	default: // text, and decimals as they are written
		return value{kind: kindText, text: column.ValueStr(i)}
	}
}

// A parquetTable reads the rows of a Parquet file, and of it the columns that are used.
//
// The reader is parquet-go's: arrow-go's links Arrow's compute kernels and gRPC, which
// costs every command of ours ten milliseconds and 10 MiB.
type parquetTable struct {
	file   *parquet.File
	fields []parquet.Field
	leaves []int // the place of each field among the leaves, -1 of a nested one
	used   map[int]*parquetColumn
	group  int   // the next row group
	left   int64 // rows of the one that is read
	row    int64
}

// A parquetColumn reads the values of a column in a row group, page by page.
type parquetColumn struct {
	pages  parquet.Pages
	page   parquet.ValueReader
	values [256]parquet.Value
	i, n   int
}

func openParquet(r *io.SectionReader) (table, error) {
	file, err := parquet.OpenFile(r, r.Size())
	if isEnd(err) { // its footer is said to begin where the file does not reach
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	t := &parquetTable{file: file, fields: file.Schema().Fields(), used: map[int]*parquetColumn{}}
	for _, f := range t.fields {
		leaf := -1
		if column, ok := file.Schema().Lookup(f.Name()); ok && f.Leaf() && !f.Repeated() {
			leaf = column.ColumnIndex
		}
		t.leaves = append(t.leaves, leaf)
	}
	return t, nil
}

func (t *parquetTable) columns() (names []string) {
	for _, f := range t.fields {
		names = append(names, f.Name())
	}
	return names
}

func (t *parquetTable) use(columns []int) error {
	for _, c := range columns {
		if t.leaves[c] < 0 {
			return fmt.Errorf("column %s is nested", quote(t.fields[c].Name()))
		}
		t.used[c] = &parquetColumn{}
	}
	return nil
}

func (t *parquetTable) place() (int64, string) { return t.row, unitRow }

func (t *parquetTable) next() error {
	for t.left == 0 {
		groups := t.file.RowGroups()
		if t.group == len(groups) {
			return io.EOF
		}
		group := groups[t.group]
		t.group, t.left = t.group+1, group.NumRows()
		for c, column := range t.used {
			if column.pages != nil {
				_ = column.pages.Close()
			}
			column.pages, column.page, column.i, column.n = group.ColumnChunks()[t.leaves[c]].Pages(), nil, 0, 0
		}
	}
	for c, column := range t.used {
		if err := column.next(); err != nil {
			return fmt.Errorf("column %s, row %d: %w", quote(t.fields[c].Name()), t.row+1, err)
		}
	}
	t.left--
	t.row++
	return nil
}

// next goes to the next value. The group says how many there are: an end before is an error.
func (c *parquetColumn) next() error {
	c.i++
	for c.i >= c.n {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if isEnd(err) {
				return io.ErrUnexpectedEOF
			} else if err != nil {
				return err
			}
			c.page = page.Values()
		}
		n, err := c.page.ReadValues(c.values[:])
		if err != nil && !isEnd(err) {
			return err
		}
		if err != nil {
			c.page = nil
		}
		c.i, c.n = 0, n
	}
	return nil
}

func (t *parquetTable) value(column int) value {
	c := t.used[column]
	v := c.values[c.i]
	if v.IsNull() {
		return value{}
	}
	if found, ok := logical(t.fields[column].Type(), v); ok {
		return found
	}
	switch v.Kind() {
	case parquet.Int96: // how older programs write a time: nanoseconds of a Julian day
		const epoch = 2_440_588
		parts := v.Int96()
		return moment(time.Unix((int64(parts[2])-epoch)*secondsOfDay, int64(parts[1])<<32|int64(parts[0])), false)
	case parquet.Int32:
		return number(float64(v.Int32()))
	case parquet.Int64:
		return number(float64(v.Int64()))
	case parquet.Float:
		return number(float64(v.Float()))
	case parquet.Double:
		return number(v.Double())
	default:
		return value{kind: kindText, text: strings.TrimSpace(v.String())}
	}
}

// logical reads a value whose column says that it is a time or a decimal number.
func logical(of parquet.Type, v parquet.Value) (value, bool) {
	if l := of.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.TimestampType:
			if l.Unit.Value == nil { // a unit that is not known yet
				return value{}, false
			}
			return moment(since(v.Int64(), l.Unit.Value.Duration()), l.IsAdjustedToUTC), true
		case *format.DateType:
			return moment(since(int64(v.Int32()), 24*time.Hour), false), true
		case *format.DecimalType:
			unscaled := float64(v.Int32())
			if v.Kind() == parquet.Int64 {
				unscaled = float64(v.Int64())
			}
			if v.Kind() == parquet.Int32 || v.Kind() == parquet.Int64 {
				return number(unscaled / math.Pow10(int(l.Scale))), true
			}
		}
	}
	return value{}, false
}

// since is the instant n units after that of Unix time 0.
func since(n int64, unit time.Duration) time.Time {
	if unit > time.Second {
		return time.Unix(n*int64(unit/time.Second), 0)
	}
	perSecond := int64(time.Second / unit)
	return time.Unix(n/perSecond, n%perSecond*int64(unit))
}

func moment(t time.Time, zoned bool) value {
	return value{kind: kindTime, at: wall{t.UTC(), zoned}}
}
