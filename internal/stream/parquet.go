package stream

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// ParquetRowGroup is how many rows a row group of a Parquet file has,
	// except the last: some 2 MB of values, which is what an answer keeps.
	ParquetRowGroup = 1 << 16

	// parquetMagic opens and closes a file.
	parquetMagic = "PAR1"
)

// parquetEncoder writes a Parquet file. The format stores columns one after
// another, so the rows of a row group are kept, as plain values, until it is
// full; then it is encoded, compressed with zstd and leaves. What stays of it is
// its entry in the footer, some 4 KB.
//
// The types of the format, their wire form and the encodings are parquet-go's;
// its writer isn't used, which would link protobuf and geometry into every
// command, and neither is arrow-go's, which would link Arrow's compute kernels:
// both make lists before main that take a command a millisecond or two.
type parquetEncoder struct {
	columns []Column
	kept    []parquetColumn
	pages   pageWriter
	groups  []format.RowGroup
	size    int64 // bytes of the file so far
	held    int   // rows in the row group that is being filled
	rows    int64 // rows before it
}

// parquetColumn has the values of a row group, in the one slice that its kind
// asks for and without the nulls. A level is 1 where a row has a value, 0 where
// it has none; only columns that may have nulls have levels.
type parquetColumn struct {
	int32s   []int32
	int64s   []int64
	float64s []float64
	texts    texts
	levels   []uint8
}

// NewParquet returns the encoder of application/vnd.apache.parquet.
func NewParquet(columns []Column) Encoder {
	return &parquetEncoder{columns: columns, kept: make([]parquetColumn, len(columns))}
}

// Begin implements Encoder.
func (e *parquetEncoder) Begin(buf *Buffer) error {
	buf.B = append(buf.B, parquetMagic...)
	e.size = int64(len(parquetMagic))
	return nil
}

// Row implements Encoder.
func (e *parquetEncoder) Row(buf *Buffer, row []Value) error {
	for i := range e.columns {
		c, kept := &e.columns[i], &e.kept[i]
		v := row[i]
		if err := c.check(v); err != nil {
			return rowError("Parquet", e.rows+int64(e.held)+1, err)
		}
		switch {
		case c.Kind == Int32:
			kept.int32s = append(kept.int32s, v.Int32())
		case c.Kind == Text:
			kept.texts.append(c.Text(v.Int32()))
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
	return e.flush(buf)
}

// End implements Encoder.
func (e *parquetEncoder) End(buf *Buffer) error {
	if e.held > 0 {
		if err := e.flush(buf); err != nil {
			return err
		}
	}
	footer, err := parquetFooter(e.columns, e.groups, e.rows)
	if err != nil {
		return fmt.Errorf("end a Parquet file: %w", err)
	}
	begin := len(buf.B)
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(buf)).Encode(footer); err != nil {
		return fmt.Errorf("end a Parquet file: %w", err)
	}
	buf.B = binary.LittleEndian.AppendUint32(buf.B, uint32(len(buf.B)-begin))
	buf.B = append(buf.B, parquetMagic...)
	return nil
}

// flush writes the row group and forgets its values.
func (e *parquetEncoder) flush(buf *Buffer) error {
	group := format.RowGroup{
		Columns: make(thrift.Slice[format.ColumnChunk], len(e.columns)), NumRows: int64(e.held),
		FileOffset: e.size, Ordinal: int16(len(e.groups)),
	}
	for i, c := range e.columns {
		chunk, err := e.pages.chunk(buf, &e.kept[i], e.held, c.Kind)
		if err != nil {
			return fmt.Errorf("write column %s of a row group of a Parquet file: %w", c.Name, err)
		}
		chunk.PathInSchema = thrift.Slice[string]{c.Name}
		chunk.DataPageOffset = e.size
		e.size += chunk.TotalCompressedSize
		group.TotalByteSize += chunk.TotalUncompressedSize
		group.TotalCompressedSize += chunk.TotalCompressedSize
		group.Columns[i].MetaData = chunk
		e.kept[i].reset()
	}
	e.groups = append(e.groups, group)
	e.rows += int64(e.held)
	e.held = 0
	return nil
}

func (c *parquetColumn) reset() {
	c.int32s, c.int64s, c.float64s, c.levels = c.int32s[:0], c.int64s[:0], c.float64s[:0], c.levels[:0]
	c.texts.reset()
}
