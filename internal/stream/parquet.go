package stream

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

const (
	// ParquetRowGroup is how many rows a row group of a Parquet file has,
	// except the last: some 2 MB of values, which is what an answer keeps.
	ParquetRowGroup = 1 << 16

	parquetPage = 128 << 10 // bytes of values in a page, about

	// arrowSchemaKey is where Arrow's tools look for what Parquet can't say:
	// the metadata of fields, with their units.
	arrowSchemaKey = "ARROW:schema"
)

// parquetEncoder writes a Parquet file. The format stores columns one after
// another, so the rows of a row group are kept, as plain values, until it is
// full; then it is encoded, compressed with zstd and leaves.
type parquetEncoder struct {
	columns []Column
	kept    []parquetColumn
	file    *file.Writer
	held    int   // rows in the row group that is being filled
	rows    int64 // rows before it
}

// parquetColumn has the values of a row group, in the one slice that its kind
// asks for and without the nulls. A level is 1 where a row has a value, 0 where
// it has none.
type parquetColumn struct {
	int32s   []int32
	int64s   []int64
	float64s []float64
	levels   []int16
}

// NewParquet returns the encoder of application/vnd.apache.parquet.
func NewParquet(columns []Column) Encoder {
	return &parquetEncoder{columns: columns, kept: make([]parquetColumn, len(columns))}
}

// Begin implements Encoder.
func (e *parquetEncoder) Begin(buf *Buffer) error {
	nodes := make(schema.FieldList, len(e.columns))
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDataPageSize(parquetPage),
		parquet.WithDictionaryDefault(false),
		parquet.WithCreatedBy("delfos"),
	}
	for i, c := range e.columns {
		node, err := parquetNode(c)
		if err != nil {
			return fmt.Errorf("begin a Parquet file: column %s: %w", c.Name, err)
		}
		nodes[i] = node
		switch c.Kind {
		case Timestamp:
			// Minute after minute: differences that are equal take no room.
			options = append(options, parquet.WithEncodingFor(c.Name, parquet.Encodings.DeltaBinaryPacked))
		case Int32:
			// Turbine after turbine: runs of one index.
			options = append(options, parquet.WithDictionaryFor(c.Name, true))
		case Float64:
		}
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, nodes, -1)
	if err != nil {
		return fmt.Errorf("begin a Parquet file: %w", err)
	}
	stored, err := storedSchema(e.columns)
	if err != nil {
		return err
	}
	e.file, err = file.NewParquetWriterWithError(buf, root,
		file.WithWriterProps(parquet.NewWriterProperties(options...)), file.WithWriteMetadata(stored))
	if err != nil {
		return fmt.Errorf("begin a Parquet file: %w", err)
	}
	return nil
}

// parquetNode describes a column.
func parquetNode(c Column) (schema.Node, error) {
	const noID, noLength = -1, -1
	switch c.Kind {
	case Int32:
		return schema.NewPrimitiveNode(c.Name, parquet.Repetitions.Required, parquet.Types.Int32, noID, noLength)
	case Timestamp:
		return schema.NewPrimitiveNodeLogical(c.Name, parquet.Repetitions.Required,
			schema.NewTimestampLogicalType(true, schema.TimeUnitMicros), parquet.Types.Int64, noLength, noID)
	default:
		return schema.NewPrimitiveNode(c.Name, parquet.Repetitions.Optional, parquet.Types.Double, noID, noLength)
	}
}

// storedSchema is the file's metadata: the schema as an Arrow stream without
// rows.
func storedSchema(columns []Column) (metadata.KeyValueMetadata, error) {
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(arrowSchema(columns))).Close(); err != nil {
		return nil, fmt.Errorf("begin a Parquet file: write its Arrow schema: %w", err)
	}
	kv := metadata.NewKeyValueMetadata()
	if err := kv.Append(arrowSchemaKey, base64.StdEncoding.EncodeToString(stream.Bytes())); err != nil {
		return nil, fmt.Errorf("begin a Parquet file: keep its Arrow schema: %w", err)
	}
	return kv, nil
}

// Row implements Encoder.
func (e *parquetEncoder) Row(_ *Buffer, row []Value) error {
	for i := range e.columns {
		c, kept := &e.columns[i], &e.kept[i]
		v := row[i]
		if err := c.check(v); err != nil {
			return rowError("Parquet", e.rows+int64(e.held)+1, err)
		}
		switch {
		case c.Kind == Int32:
			kept.int32s = append(kept.int32s, v.Int32())
		case c.Kind == Timestamp:
			kept.int64s = append(kept.int64s, v.Timestamp())
		case v.Null():
			kept.levels = append(kept.levels, 0)
		default:
			kept.levels = append(kept.levels, 1)
			kept.float64s = append(kept.float64s, v.Float64())
		}
	}
	e.held++
	if e.held < ParquetRowGroup {
		return nil
	}
	return e.flush()
}

// End implements Encoder.
func (e *parquetEncoder) End(*Buffer) error {
	if e.held > 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if err := e.file.Close(); err != nil {
		return fmt.Errorf("end a Parquet file: %w", err)
	}
	return nil
}

// flush writes the row group.
func (e *parquetEncoder) flush() error {
	group, err := e.file.AppendRowGroupChecked()
	if err != nil {
		return fmt.Errorf("write a row group of a Parquet file: %w", err)
	}
	for i := range e.columns {
		if err := e.kept[i].write(group); err != nil {
			return fmt.Errorf("write column %s of a row group of a Parquet file: %w", e.columns[i].Name, err)
		}
	}
	if err := group.Close(); err != nil {
		return fmt.Errorf("write a row group of a Parquet file: %w", err)
	}
	e.rows += int64(e.held)
	e.held = 0
	return nil
}

// write writes the values as the group's next column and forgets them.
func (c *parquetColumn) write(group file.SerialRowGroupWriter) error {
	chunk, err := group.NextColumn()
	if err != nil {
		return err
	}
	switch w := chunk.(type) {
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(c.int32s, nil, nil)
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(c.int64s, nil, nil)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(c.float64s, c.levels, nil)
	default:
		err = fmt.Errorf("a writer of type %T", chunk)
	}
	if err != nil {
		return err
	}
	c.int32s, c.int64s, c.float64s, c.levels = c.int32s[:0], c.int64s[:0], c.float64s[:0], c.levels[:0]
	return chunk.Close()
}
