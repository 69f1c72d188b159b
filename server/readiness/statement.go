package readiness

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A statement is one that this version asks of its database.
type statement struct {
	name string
	sql  string
	args int
}

// Querier is what the packages that sqlc generates ask of a database.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// statementsOf lists the statements of a package that sqlc generated, queries
// being its Queries on notes. sqlc has no list of them, but a method for each,
// which asks its database once: here notes, which notes it.
func statementsOf(queries any, notes *notebook) []statement {
	for _, method := range reflect.ValueOf(queries).Methods() {
		args := []reflect.Value{reflect.ValueOf(context.Background())}
		if method.Type().NumIn() == 0 || !args[0].Type().AssignableTo(method.Type().In(0)) {
			continue // WithTx
		}
		for j := 1; j < method.Type().NumIn(); j++ {
			args = append(args, reflect.Zero(method.Type().In(j)))
		}
		method.Call(args)
	}
	return notes.statements
}

// notebook notes what it is asked and answers nothing.
type notebook struct{ statements []statement }

var errNoted = errors.New("the statement was noted, not run")

func (n *notebook) note(sql string, args []any) {
	const before = "-- name: " // and the name, and what it returns
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, before), " ")
	n.statements = append(n.statements, statement{name, sql, len(args)})
}

// Exec implements Querier.
func (n *notebook) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	n.note(sql, args)
	return pgconn.CommandTag{}, errNoted
}

// Query implements Querier.
func (n *notebook) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	n.note(sql, args)
	return nil, errNoted
}

// QueryRow implements Querier.
func (n *notebook) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	n.note(sql, args)
	return noRow{}
}

type noRow struct{}

// Scan implements pgx.Row.
func (noRow) Scan(...any) error { return errNoted }
