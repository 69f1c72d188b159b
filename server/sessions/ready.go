package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

const readyFor = 10 * time.Second

// Check tells whether a database has what this version asks of it: the tables,
// columns and types that its queries name, and the privileges for them. What
// there is beyond that, as in a newer schema, is no fault.
//
// It asks PostgreSQL itself: EXPLAIN looks everything up that a statement names,
// checks the role's privileges, and runs nothing.
type Check struct {
	database   dberror.Database
	statements []statement
	lifetime   time.Duration

	mu    sync.Mutex
	found time.Time // when all was there
}

// NewCheck returns a check of what the queries of a package name that sqlc
// generated; its New makes them. A lifetime of 0 is 10 s.
func NewCheck[Q any, DB any](database dberror.Database, queries func(DB) Q, lifetime time.Duration) *Check {
	notes := &notebook{}
	db, ok := any(notes).(DB)
	if !ok {
		panic(fmt.Sprintf("%T asks more of a database than this package knows", queries))
	}
	return &Check{database: database, statements: statementsOf(queries(db), notes), lifetime: cmp.Or(lifetime, readyFor)}
}

// MissingError says what a database lacks.
type MissingError struct {
	Database dberror.Database
	Lacks    []string // in PostgreSQL's words
	Remedies []string
}

// Error says it in a sentence.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the %s database lacks what this version needs: %s; %s",
		e.Database, strings.Join(e.Lacks, ", "), strings.Join(e.Remedies, "; "))
}

// Run asks the database by a session: for all of it, or for a sign of life when
// all was found within the lifetime. The error is a *MissingError, or one that
// kept the check from its end.
func (c *Check) Run(ctx context.Context, conn *pgx.Conn) error {
	c.mu.Lock()
	known := !c.found.IsZero() && time.Since(c.found) < c.lifetime
	c.mu.Unlock()
	if known {
		if err := conn.Ping(ctx); err != nil {
			return fmt.Errorf("ping the %s database: %w", c.database, err)
		}
		return nil
	}
	missing := &MissingError{Database: c.database}
	for _, s := range c.statements {
		// EXPLAIN takes the parameters of its statement; each is NULL.
		args := append([]any{pgx.QueryExecModeExec}, make([]any, s.args)...)
		_, err := conn.Exec(ctx, "EXPLAIN (COSTS OFF) "+s.sql, args...)
		pg, told := errors.AsType[*pgconn.PgError](err)
		switch means := c.database.Of(err); {
		case err == nil:
		case told && pg.Code == pgerrcode.SyntaxError:
			// The statement was checked, so it is one that EXPLAIN does not take, as
			// ANALYZE is. Others name its table too.
		case told && (means.Class == dberror.Never || means.Class == dberror.Outdated):
			missing.add(pg.Message, means.Remedy)
		default:
			return fmt.Errorf("explain %s: %w", s.name, err)
		}
	}
	if len(missing.Lacks) > 0 {
		return missing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = time.Now()
	return nil
}

func (e *MissingError) add(lacks, remedy string) {
	if !slices.Contains(e.Lacks, lacks) {
		e.Lacks = append(e.Lacks, lacks)
	}
	if !slices.Contains(e.Remedies, remedy) {
		e.Remedies = append(e.Remedies, remedy)
	}
}

// Ready is the answer of /ready: nil when the database answers and has what the
// queries of this version name, and the server is not about to stop.
func (s *Sessions) Ready(ctx context.Context) error {
	if httpserve.Leaving(ctx) {
		return problem.Busy("this server has been told to stop and takes no new clients", soon, nil)
	}
	err := s.lendSpare(ctx, s.check.Run)
	if missing, ok := errors.AsType[*MissingError](err); ok {
		return problem.Busy(missing.Error(), later, missing)
	}
	if err != nil {
		return problem.NotReady(s.check.database, err)
	}
	return nil
}

type statement struct {
	name string
	sql  string
	args int
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

type notebook struct{ statements []statement }

var errNoted = errors.New("the statement was noted, not run")

func (n *notebook) note(sql string, args []any) {
	const before = "-- name: " // and the name, and what it returns
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, before), " ")
	n.statements = append(n.statements, statement{name, sql, len(args)})
}

// Exec implements sourcedb.DBTX and targetdb.DBTX.
func (n *notebook) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	n.note(sql, args)
	return pgconn.CommandTag{}, errNoted
}

// Query implements sourcedb.DBTX and targetdb.DBTX.
func (n *notebook) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	n.note(sql, args)
	return nil, errNoted
}

// QueryRow implements sourcedb.DBTX and targetdb.DBTX.
func (n *notebook) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	n.note(sql, args)
	return noRow{}
}

type noRow struct{}

func (noRow) Scan(...any) error { return errNoted }
