// Package pgstream reads the rows of a query one by one as they come off the
// wire, which sqlc has no way for. It takes the SQL text that sqlc checked and
// exported, and gives each row as PostgreSQL's binary values, without a Scan or
// an allocation a row.
package pgstream

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection, a transaction or a pool of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Read runs sql and calls row with each row's values in PostgreSQL's binary
// format, nil for NULL; they are valid until row returns. An error of row ends
// the query on the server and is returned as it is; one of the database names
// sql by what.
func Read(ctx context.Context, db Querier, what, sql string, args []any, row func(values [][]byte) error) error {
	// Ended early, rows.Close would read all that is left of the answer; a
	// cancelled context cancels the query instead.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args = append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for rows.Next() {
		if err := row(rows.RawValues()); err != nil {
			cancel()
			rows.Close()
			return err
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
