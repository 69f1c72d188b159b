package stream

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetPage is how many rows a page of a Parquet file has, except the last of
// a row group: 128 KB of readings.
const parquetPage = 1 << 14

// pageWriter writes the pages of column chunks, in memory that they use one
// after another.
type pageWriter struct {
	plain  []byte // a page before its compression
	coded  []byte // a part of it
	packed []byte // a page after it
}

// chunk writes a column of a row group of rows, at least one: numbers that
// mostly go up evenly, turbine after turbine and minute after minute, as
// differences that take no room where they are equal; readings as they are. The
// answer lacks the column's name and place.
func (w *pageWriter) chunk(buf *Buffer, c *parquetColumn, rows int, kind Kind) (format.ColumnMetaData, error) {
	begin := len(buf.B)
	meta := format.ColumnMetaData{
		Type: physical(kind), Codec: format.Zstd, NumValues: int64(rows), Statistics: c.statistics(kind),
		Encoding: thrift.Slice[format.Encoding]{encodingOf(kind), format.RLE},
	}
	header := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(buf))
	readings := c.float64s
	for from := 0; from < rows; from += parquetPage {
		to := min(from+parquetPage, rows)
		nulls := 0
		var err error
		w.plain = w.plain[:0]
		switch kind {
		case Int32:
			w.plain, err = new(delta.BinaryPackedEncoding).EncodeInt32(w.plain, c.int32s[from:to])
		case Timestamp:
			w.plain, err = new(delta.BinaryPackedEncoding).EncodeInt64(w.plain, c.int64s[from:to])
		case Text:
			for i := from; i < to; i++ {
				text := c.texts.at(i)
				w.plain = binary.LittleEndian.AppendUint32(w.plain, uint32(len(text)))
				w.plain = append(w.plain, text...)
			}
		default:
			nulls = bytes.Count(c.levels[from:to], []byte{0})
			err = w.readings(c.levels[from:to], readings[:to-from-nulls])
			readings = readings[to-from-nulls:]
		}
		if err != nil {
			return meta, err
		}
		w.compress()
		page := format.PageHeader{
			Type: format.DataPage, UncompressedPageSize: int32(len(w.plain)), CompressedPageSize: int32(len(w.packed)),
			DataPageHeader: thrift.New(format.DataPageHeader{
				NumValues: int32(to - from), Encoding: encodingOf(kind),
				DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
				Statistics: format.Statistics{NullCount: int64(nulls)},
			}),
		}
		if err := header.Encode(&page); err != nil {
			return meta, err
		}
		buf.B = append(buf.B, w.packed...)
		meta.TotalUncompressedSize += int64(len(w.plain) - len(w.packed)) // headers come below
	}
	meta.TotalCompressedSize = int64(len(buf.B) - begin)
	meta.TotalUncompressedSize += meta.TotalCompressedSize
	return meta, nil
}

// readings makes a page of a column that may have nulls: the length of the
// levels, the levels, and the values there are.
func (w *pageWriter) readings(levels []uint8, values []float64) (err error) {
	w.coded, err = (&rle.Encoding{BitWidth: 1}).EncodeLevels(w.coded, levels)
	if err != nil {
		return err
	}
	w.plain = binary.LittleEndian.AppendUint32(w.plain, uint32(len(w.coded)))
	w.plain = append(w.plain, w.coded...)
	for _, v := range values {
		w.plain = binary.LittleEndian.AppendUint64(w.plain, math.Float64bits(v))
	}
	return nil
}

// compress packs the page.
func (w *pageWriter) compress() {
	coder, ok := pagePool.Get().(*zstd.Encoder)
	if !ok {
		coder = newZstd()
	}
	defer pagePool.Put(coder)
	w.packed = coder.EncodeAll(w.plain, w.packed[:0])
}

// encodingOf is how a page's values are encoded.
func encodingOf(kind Kind) format.Encoding {
	if kind == Float64 || kind == Text {
		return format.Plain
	}
	return format.DeltaBinaryPacked
}

// statistics are what lets a reader pass a row group over.
func (c *parquetColumn) statistics(kind Kind) format.Statistics {
	s := format.Statistics{NullCount: int64(len(c.levels) - len(c.float64s))}
	switch {
	case kind == Text:
		s.MinValue, s.MaxValue = c.texts.extremes()
	case kind == Int32:
		low, high := extremes(c.int32s)
		s.MinValue = binary.LittleEndian.AppendUint32(nil, uint32(low))
		s.MaxValue = binary.LittleEndian.AppendUint32(nil, uint32(high))
	case kind == Timestamp:
		low, high := extremes(c.int64s)
		s.MinValue = binary.LittleEndian.AppendUint64(nil, uint64(low))
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(high))
	case len(c.float64s) > 0:
		low, high := extremes(c.float64s)
		// Zeros may be of either sign, and the format wants both within.
		if low == 0 {
			low = math.Copysign(0, -1)
		}
		if high == 0 {
			high = math.Copysign(0, 1)
		}
		s.MinValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(low))
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(high))
	}
	return s
}

// extremes are the least and the greatest of at least one number.
func extremes[T cmp.Ordered](values []T) (low, high T) {
	return slices.Min(values), slices.Max(values)
}
