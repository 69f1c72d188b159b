// Package schema holds the SQL of both databases and brings a database to it
// with Atlas: inspect what is there, compare it with what should be, plan,
// apply in one transaction.
//
// It manages its own tables in the schema public and nothing else: other schemas
// (River's is one), extensions and views are not changed, roles only by ApplyRoles, and neither are
// types and tables that Delfos never made, nor columns, indexes, constraints
// and comments that somebody added to its own. It drops only what a former version
// of the schema had (the lists in plan.go), and tables and columns of those only
// with Options.AllowDestructive, because their rows are lost with them.
//
//	schema.go     Apply, and what it takes and returns
//	plan.go       what is to be changed, kept or refused
//	session.go    the transaction, and reading SQL as Atlas sees it
//	reference.go  the rows that others refer to
//	river.go      River's tables, by River's migrations
//	distribute.go tables spread over the nodes of a Citus
//	roles.go      the roles, and what each may do
//	password.go   their passwords
//
// Atlas matches constraints by name. Apply also compares a CHECK's expression;
// Atlas's command line does not, so a CHECK that changes takes a new name.
package schema

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"

	"ariga.io/atlas/sql/migrate"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed source.sql
var sourceSQL string

//go:embed target.sql
var targetSQL string

// SourceStage is the SQL that creates the temporary table through which seed
// and import load samples. It needs an open transaction, at whose end the
// table goes.
//
//go:embed source_stage.sql
var SourceStage string

// Schema is what one of the two databases has to hold.
type Schema struct {
	Name string
	// SQL creates the tables, without the reference rows.
	SQL string

	retired []string
	// reference, if any, writes the rows that others refer to.
	reference func(context.Context, querier) error
	// fill completes rows that were there before a column, "table.column", was.
	fill map[string]func(context.Context, querier) error
}

// Source is the schema of the source database.
//
//nolint:gochecknoglobals // Nobody writes to it; Go has no constants of a struct.
var Source = Schema{Name: "source", SQL: sourceSQL, retired: sourceRetired}

// Target is the schema of the target database.
//
//nolint:gochecknoglobals // As Source.
var Target = Schema{Name: "target", SQL: targetSQL, retired: targetRetired, reference: ensureTargetRows, fill: targetFill()}

// Options says how Apply goes about it. The zero value applies what loses no data.
type Options struct {
	DryRun bool
	// AllowDestructive also drops the tables and columns of a former version.
	AllowDestructive bool
	// DevURL names an empty database in which the SQL is tried out, else ATLAS_DEV_URL. Without
	// either, Apply creates one beside the database and drops it, for which the role needs CREATEDB.
	DevURL string
	// Waiting, unless it is nil, is told each time that a change was put off by a table in use.
	Waiting func(error)
	// Passwords are those that roles shall log in with, by name, for ApplyRoles alone; others keep
	// theirs. A password is sent as a verifier, and appears in no plan.
	Passwords map[string]string
}

// Plan is what brings a database to its schema.
type Plan struct {
	// Statements are the SQL in order, each closed by a semicolon. None: there is nothing to do.
	Statements []string
	// Retired are the tables and columns of a former version that are still
	// there, as "table data" or "column data.power": AllowDestructive drops them.
	Retired []string
	// Foreign is what Delfos never made and leaves alone, as "index my_idx on data".
	Foreign []string
}

// SQL is the plan as a script for psql; "" when there is nothing to do.
func (p Plan) SQL() string {
	if len(p.Statements) == 0 {
		return ""
	}
	return strings.Join(p.Statements, "\n") + "\n"
}

// Apply brings the database at url to schema s, writes the rows that others refer to, and returns what
// it did. All of it is one transaction, and calls at once wait for each other. A table that is in use
// is waited for without keeping others from it, until ctx ends.
//
// It fails, and changes nothing, when something that this version needs can't be had: a view that has
// a table's name, a column of others that every row would have to fill, a rule that rows break.
func Apply(ctx context.Context, url string, s Schema, opts Options) (Plan, error) {
	what := "apply schema " + s.Name
	return on(url, what, what+" to", func(config *connConfig) (Plan, error) {
		desired, err := load(ctx, config, s, cmp.Or(opts.DevURL, os.Getenv("ATLAS_DEV_URL")))
		if err != nil {
			return Plan{}, err
		}
		return within(ctx, config, opts.DryRun, func(db *session) (Plan, error) {
			if _, err := db.tx.ExecContext(ctx, assumeOwnerSQL); err != nil {
				return Plan{}, fmt.Errorf("work as the owner of the tables: %w", err)
			}
			plan, steps, err := s.plan(ctx, db, desired, opts.AllowDestructive)
			if err != nil || opts.DryRun {
				return plan, err
			}
			return plan, s.carryOut(ctx, db, steps, opts.Waiting)
		})
	})
}

// on makes a plan for the database at url. Errors say what, or done before the database's name.
func on(url, what, done string, change func(*connConfig) (Plan, error)) (Plan, error) {
	config, err := parseURL(url)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: database URL: %w", what, err)
	}
	plan, err := change(config)
	if err != nil {
		return plan, fmt.Errorf("%s %s: %w", done, label(config), err)
	}
	return plan, nil
}

func within(ctx context.Context, config *connConfig, dryRun bool, change func(*session) (Plan, error)) (Plan, error) {
	db, err := begin(ctx, config, dryRun)
	if err != nil {
		return Plan{}, err
	}
	defer db.rollback()
	plan, err := change(db)
	if err != nil || dryRun {
		return plan, err
	}
	if err := db.tx.Commit(); err != nil {
		return plan, fmt.Errorf("commit: %w", err)
	}
	return plan, nil
}

// carryOut changes the database. What takes long and keeps nobody from reading, an index on a table
// that stays as it is, comes first; then tables are locked, all at once, for a moment.
func (s Schema) carryOut(ctx context.Context, db *session, steps steps, waiting func(error)) error {
	before, after, tables := steps.apart()
	if err := db.whenFree(ctx, nil, waiting, func(func() error) error { return db.run(ctx, before) }); err != nil {
		return err
	}
	return db.whenFree(ctx, tables, waiting, func(lock func() error) error {
		if err := lock(); err != nil {
			return fmt.Errorf("lock the tables that change: %w", err)
		}
		if err := db.run(ctx, after); err != nil {
			return err
		}
		return s.write(ctx, db, steps)
	})
}

func (s *session) run(ctx context.Context, changes []*migrate.Change) error {
	return s.raw(func(conn querier) error {
		for _, change := range changes {
			if _, err := conn.Exec(ctx, change.Cmd, change.Args...); err != nil {
				return fmt.Errorf("%s: %w", change.Comment, withDetail(err))
			}
		}
		return nil
	})
}

func (s Schema) write(ctx context.Context, db *session, steps steps) error {
	for _, column := range steps.added {
		if fill, ok := s.fill[column]; ok {
			if err := db.raw(func(conn querier) error { return fill(ctx, conn) }); err != nil {
				return fmt.Errorf("fill %s: %w", column, withDetail(err))
			}
		}
	}
	if s.reference != nil {
		if err := db.raw(func(conn querier) error { return s.reference(ctx, conn) }); err != nil {
			return fmt.Errorf("write reference rows: %w", withDetail(err))
		}
	}
	return nil
}

// withDetail adds to PostgreSQL's message its detail, such as which view depends on a column.
func withDetail(err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	var text []string
	for _, part := range []string{refused.Detail, refused.Hint} {
		if part != "" {
			text = append(text, strings.ReplaceAll(part, "\n", "; "))
		}
	}
	if text == nil {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.Join(text, " "))
}
