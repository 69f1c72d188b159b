package stream

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// arrowSchemaKey is where Arrow's tools look for what Parquet can't say:
	// the metadata of fields, with their units.
	arrowSchemaKey = "ARROW:schema"

	parquetVersion = 2 // the first with DELTA_BINARY_PACKED
)

// parquetFooter is what a Parquet file says of itself.
func parquetFooter(columns []Column, groups []format.RowGroup, rows int64) (*format.FileMetaData, error) {
	stored, err := storedSchema(columns)
	if err != nil {
		return nil, err
	}
	footer := &format.FileMetaData{
		Version: parquetVersion, CreatedBy: "delfos", NumRows: rows, RowGroups: groups,
		KeyValueMetadata: thrift.Slice[format.KeyValue]{{Key: arrowSchemaKey, Value: stored}},
		Schema: thrift.Slice[format.SchemaElement]{{
			Name: "schema", RepetitionType: thrift.New(format.Required), NumChildren: thrift.New(int32(len(columns))),
		}},
	}
	if groups == nil {
		footer.RowGroups = thrift.Slice[format.RowGroup]{} // the field is not optional
	}
	for _, c := range columns {
		footer.Schema = append(footer.Schema, parquetField(c))
		footer.ColumnOrders = append(footer.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
	}
	return footer, nil
}

// parquetField describes a column; only Float64 has nulls.
func parquetField(c Column) format.SchemaElement {
	field := format.SchemaElement{
		Name: c.Name, Type: thrift.New(physical(c.Kind)), RepetitionType: thrift.New(format.Required),
	}
	switch c.Kind {
	case Timestamp:
		field.LogicalType.Value = &format.TimestampType{
			IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: new(format.MicroSeconds)},
		}
		field.ConvertedType = thrift.New(deprecated.TimestampMicros) // what older readers look at
	case Float64:
		field.RepetitionType = thrift.New(format.Optional)
	case Text:
		field.LogicalType.Value = new(format.StringType)
		field.ConvertedType = thrift.New(deprecated.UTF8)
	case Int32:
	}
	return field
}

// physical is the type in which a column's values are stored.
func physical(kind Kind) format.Type {
	switch kind {
	case Int32:
		return format.Int32
	case Timestamp:
		return format.Int64
	case Text:
		return format.ByteArray
	default:
		return format.Double
	}
}

// storedSchema is the schema as an Arrow stream without rows, in base64.
func storedSchema(columns []Column) (string, error) {
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(arrowSchema(columns))).Close(); err != nil {
		return "", fmt.Errorf("write its Arrow schema: %w", err)
	}
	return base64.StdEncoding.EncodeToString(stream.Bytes()), nil
}
