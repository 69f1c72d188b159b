package pgrow

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Querier is a connection, a transaction or a pool of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Stream yields the rows of a query, of the given columns, as the server sends them, and nothing more
// after an error. decode reads a row's values, nil for NULL, and reports whether each that is not
// nullable is there, and no NULL within an array. Leaving the loop ends the query on the server.
func Stream[R any](
	ctx context.Context, db Querier, name, sql string, args []any, columns []Column, decode func(*R, [][]byte) bool,
) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		// rows.Close alone would read all that is left; a cancelled context ends the query.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var row, zero R
		fail := func(err error) { yield(zero, fmt.Errorf("query %s: %w", name, err)) }
		rows, err := db.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
		if err != nil {
			fail(err)
			return
		}
		leave := func() { cancel(); rows.Close() }
		for n := 0; rows.Next(); n++ {
			if n == 0 {
				err = check(rows.FieldDescriptions(), columns)
			}
			raw := rows.RawValues()
			row = zero
			if err == nil && !decode(&row, raw) {
				err = missing(raw, columns)
			}
			if err != nil {
				leave()
				fail(fmt.Errorf("row %d: %w", n+1, err))
				return
			}
			if !yield(row, nil) {
				leave()
				return
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

// firstUserOID is the first OID of types that PostgreSQL does not bring along, such as enums.
const firstUserOID = 16384

func check(got []pgconn.FieldDescription, want []Column) error {
	if len(got) != len(want) {
		return fmt.Errorf("the database sends %d columns, %d are expected", len(got), len(want))
	}
	for i, c := range want {
		if !c.Kind.sentAs(got[i].DataTypeOID) || got[i].Format != pgx.BinaryFormatCode {
			return fmt.Errorf("column %s is sent as a type (OID %d, format %d) that is not the expected one", c.Name, got[i].DataTypeOID, got[i].Format)
		}
	}
	return nil
}

func (k Kind) sentAs(oid uint32) bool {
	switch k {
	case Int32:
		return oid == pgtype.Int4OID
	case Int64:
		return oid == pgtype.Int8OID
	case Float64:
		return oid == pgtype.Float8OID
	case Timestamp:
		return oid == pgtype.TimestamptzOID
	case Date:
		return oid == pgtype.DateOID
	case Float64s:
		return oid == pgtype.Float8ArrayOID
	case Timestamps:
		return oid == pgtype.TimestamptzArrayOID
	case Text:
		return oid == pgtype.TextOID || oid == pgtype.VarcharOID || oid == pgtype.NameOID || oid >= firstUserOID
	default:
		return false
	}
}

func missing(raw [][]byte, columns []Column) error {
	for i, c := range columns {
		if raw[i] == nil && !c.Nullable {
			return fmt.Errorf("column %s is null, which it never may be", c.Name)
		}
	}
	return errors.New("an array is not one list of values of which none is null")
}
