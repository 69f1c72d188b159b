package stream

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// ParquetRowGroup is how many rows a row group of a Parquet file has, except
	// the last: some 2 MB of values, which is what an answer keeps.
	ParquetRowGroup = 1 << 16

	// parquetPage is how many bytes of values a page has, about.
	parquetPage = 128 << 10

	// parquetRun is how many rows are handed to the columns at once.
	parquetRun = 1 << 10

	// arrowSchemaKey is where Arrow's tools look for what Parquet can't say:
	// the metadata of fields, with their units.
	arrowSchemaKey = "ARROW:schema"
)

// parquetEncoder writes a Parquet file. The format stores columns one after
// another, so the pages of a row group are kept until it is full. What stays of it
// is its entry in the footer.
//
// The writer is parquet-go's: arrow-go's links Arrow's compute kernels, and with
// the schema gRPC, which costs every command two milliseconds and 10 MiB.
type parquetEncoder struct {
	columns []Column
	writer  *parquet.GenericWriter[any]
	values  [][]parquet.Value // of the rows that are not handed over yet, by column
	rows    int64
}

// NewParquet returns the encoder of application/vnd.apache.parquet.
func NewParquet(columns []Column) Encoder {
	return &parquetEncoder{columns: columns, values: make([][]parquet.Value, len(columns))}
}

func (e *parquetEncoder) Begin(buf *Buffer) error {
	stored, err := storedSchema(e.columns)
	if err != nil {
		return err
	}
	e.writer = parquet.NewGenericWriter[any](buf, parquetSchema(e.columns),
		parquet.CreatedBy("delfos", "", ""), parquet.Compression(pooledZstd{&parquetzstd.Codec{}}), parquet.KeyValueMetadata(arrowSchemaKey, stored),
		parquet.PageBufferSize(parquetPage), parquet.WriteBufferSize(0), parquet.DataPageStatistics(true))
	return nil
}

func (e *parquetEncoder) Row(_ *Buffer, row []Value) error {
	e.rows++
	for i := range e.columns {
		c := &e.columns[i]
		if err := check(c, row[i]); err != nil {
			return rowError("Parquet", e.rows, err)
		}
		e.values[i] = append(e.values[i], parquetValue(c, row[i]))
	}
	if e.rows%parquetRun == 0 {
		return e.hand(e.rows%ParquetRowGroup == 0)
	}
	return nil
}

func (e *parquetEncoder) End(*Buffer) error {
	if e.rows%parquetRun > 0 { // the writer takes no empty run
		if err := e.hand(false); err != nil {
			return err
		}
	}
	if err := e.writer.Close(); err != nil {
		return fmt.Errorf("end an answer in Parquet: %w", err)
	}
	return nil
}

// hand gives the columns their values, and ends the row group if it is full.
func (e *parquetEncoder) hand(full bool) error {
	for i, column := range e.writer.ColumnWriters() {
		if _, err := column.WriteRowValues(e.values[i]); err != nil {
			return fmt.Errorf("write a column of an answer in Parquet: %w", err)
		}
		e.values[i] = e.values[i][:0]
	}
	if full {
		if err := e.writer.Flush(); err != nil {
			return fmt.Errorf("write a row group of an answer in Parquet: %w", err)
		}
	}
	return nil
}

// parquetValue is a value with its level: of a column that may have nulls it is 1
// where there is a value.
func parquetValue(c *Column, v Value) parquet.Value {
	switch c.Kind {
	case Int32:
		return parquet.Int32Value(v.Int32())
	case Timestamp:
		return parquet.Int64Value(v.Timestamp())
	case Text:
		return parquet.ByteArrayValue([]byte(c.Text(v.Int32())))
	default:
		switch {
		case v.Null():
			return parquet.NullValue()
		case c.Kind == Int64:
			return parquet.Int64Value(v.Int64()).Level(0, 1, 0)
		}
		return parquet.DoubleValue(v.Float64()).Level(0, 1, 0)
	}
}

// parquetSchema describes the columns, in their order.
// Numbers mostly go up evenly, turbine after turbine and minute after minute: as
// differences they take no room where these are equal.
func parquetSchema(columns []Column) *parquet.Schema {
	group := inOrder{Group: parquet.Group{}}
	for _, c := range columns {
		group.names = append(group.names, c.Name)
		group.Group[c.Name] = parquetNode(c.Kind)
	}
	return parquet.NewSchema("schema", group)
}

func parquetNode(kind Kind) parquet.Node {
	switch kind {
	case Int32:
		return parquet.Encoded(parquet.Leaf(parquet.Int32Type), &parquet.DeltaBinaryPacked)
	case Timestamp:
		return parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked)
	case Text:
		return parquet.Encoded(parquet.String(), &parquet.Plain)
	case Int64:
		return parquet.Optional(parquet.Encoded(parquet.Leaf(parquet.Int64Type), &parquet.DeltaBinaryPacked))
	default:
		return parquet.Optional(parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.Plain))
	}
}

type inOrder struct {
	parquet.Group

	names []string
}

func (g inOrder) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(g.names, a.Name()) - slices.Index(g.names, b.Name())
	})
	return fields
}

// storedSchema is the schema as an Arrow stream without rows, in base64.
func storedSchema(columns []Column) (string, error) {
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(arrowSchema(columns))).Close(); err != nil {
		return "", fmt.Errorf("write its Arrow schema: %w", err)
	}
	return base64.StdEncoding.EncodeToString(stream.Bytes()), nil
}

// pooledZstd packs a page by an encoder of ours: the library's own take several
// times as much memory.
type pooledZstd struct{ *parquetzstd.Codec }

func (pooledZstd) Encode(dst, src []byte) ([]byte, error) {
	coder, ok := pagePool.Get().(*zstd.Encoder)
	if !ok {
		coder = newZstd()
	}
	defer pagePool.Put(coder)
	return coder.EncodeAll(src, dst[:0]), nil
}
