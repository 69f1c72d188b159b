package stream

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"
)

// ParquetRowGroup is how many rows a row group of a Parquet file has, except
// the last: some 2 MB of values, which is what an answer keeps.
const ParquetRowGroup = 1 << 16

// NewParquet returns the encoder of application/vnd.apache.parquet. The format
// stores columns one after another, so a row group is an Arrow batch that is
// kept until it is full. What stays of it is its entry in the footer.
func NewParquet(columns []Column) Encoder {
	properties := []parquet.WriterProperty{
		parquet.WithCreatedBy("delfos"), parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDataPageSize(128 << 10), parquet.WithMaxRowGroupLength(ParquetRowGroup), parquet.WithDictionaryDefault(false),
	}
	for _, c := range columns {
		// These mostly go up evenly, turbine after turbine and minute after minute.
		if c.Kind == Int32 || c.Kind == Timestamp {
			properties = append(properties, parquet.WithEncodingFor(c.Name, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	usePooledZstd()
	return newBatches("Parquet", columns, ParquetRowGroup, func(schema *arrow.Schema, w io.Writer) (batchWriter, error) {
		writer, err := pqarrow.NewFileWriter(schema, w, parquet.NewWriterProperties(properties...),
			pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())) // with the units
		if err != nil {
			return nil, fmt.Errorf("begin a Parquet file: %w", err)
		}
		return writer, nil
	})
}

// pooledZstd packs a page by an encoder of ours: the library's own take several
// times as much memory.
type pooledZstd struct{ compress.Codec }

// EncodeLevel implements compress.Codec.
func (pooledZstd) EncodeLevel(dst, src []byte, _ int) []byte {
	coder, ok := pagePool.Get().(*zstd.Encoder)
	if !ok {
		coder = newZstd()
	}
	defer pagePool.Put(coder)
	return coder.EncodeAll(src, dst[:0])
}
