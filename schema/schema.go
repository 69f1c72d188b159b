// Package schema holds the SQL of both databases and brings a database to it
// with Atlas: inspect what is there, compare it with what should be, plan,
// apply in one transaction.
//
// It manages the tables of the schema public and nothing else: other schemas
// (River's is one), extensions, types, views and roles are neither read nor
// changed. A table in public that the SQL does not name counts as one to drop,
// which Apply refuses unless told otherwise.
//
// Atlas matches constraints by name. Apply also compares a CHECK's expression;
// Atlas's command line does not, so a CHECK that changes takes a new name.
package schema

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"os"
	"strings"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/schema"
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
	// Name is "source" or "target".
	Name string

	sql       string
	reference func(context.Context, querier) error
}

// SQL is the text that creates the tables, without the reference rows.
func (s Schema) SQL() string { return s.sql }

// Source is the schema of the source database.
//
//nolint:gochecknoglobals // Nobody writes to it; Go has no constants of a struct.
var Source = Schema{Name: "source", sql: sourceSQL, reference: ensureSourceRows}

// Target is the schema of the target database.
//
//nolint:gochecknoglobals // As Source.
var Target = Schema{Name: "target", sql: targetSQL, reference: ensureTargetRows}

// Options says how Apply goes about it. The zero value applies what loses no
// data.
type Options struct {
	// DryRun plans and changes nothing.
	DryRun bool
	// AllowDestructive applies plans that drop tables or columns.
	AllowDestructive bool
	// DevURL names an empty database in which the SQL is tried out; it is
	// left empty. ATLAS_DEV_URL stands in for an empty DevURL. Without either,
	// Apply creates a database on the server of the one that it changes, and
	// drops it, for which the role needs CREATEDB.
	DevURL string
}

// Plan is what brings a database to its schema.
type Plan struct {
	// Statements are the SQL in order, each closed by a semicolon, without a
	// newline at its end. None means that there is nothing to do.
	Statements []string
}

// SQL is the plan as a script, one that psql takes; "" when there is nothing
// to do.
func (p Plan) SQL() string {
	if len(p.Statements) == 0 {
		return ""
	}
	return strings.Join(p.Statements, "\n") + "\n"
}

// Apply brings the database at url to schema s, writes the reference rows that
// others refer to (turbine 1; the signals), and returns what it did. All of it
// is one transaction, and calls at once on one database wait for each other.
//
// A plan that would lose data fails with a *DestructiveError; the refused plan
// comes with it.
func Apply(ctx context.Context, url string, s Schema, opts Options) (Plan, error) {
	config, err := parseURL(url)
	if err != nil {
		return Plan{}, fmt.Errorf("apply schema %s: database URL: %w", s.Name, err)
	}
	plan, err := apply(ctx, config, s, opts)
	if err != nil {
		return plan, fmt.Errorf("apply schema %s to %s: %w", s.Name, label(config), err)
	}
	return plan, nil
}

func apply(ctx context.Context, config *connConfig, s Schema, opts Options) (Plan, error) {
	desired, err := load(ctx, config, s, cmp.Or(opts.DevURL, os.Getenv("ATLAS_DEV_URL")))
	if err != nil {
		return Plan{}, err
	}
	db, err := begin(ctx, config, opts.DryRun)
	if err != nil {
		return Plan{}, err
	}
	defer db.rollback()
	current, err := db.inspect(ctx)
	if err != nil {
		return Plan{}, err
	}
	changes, err := diff(ctx, db, current, desired)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Statements: changes.statements()}
	if len(changes.drops) > 0 && !opts.AllowDestructive {
		return plan, &DestructiveError{Schema: s.Name, Drops: changes.drops}
	}
	if opts.DryRun {
		return plan, nil
	}
	for _, change := range changes.steps {
		if _, err := db.tx.ExecContext(ctx, change.Cmd, change.Args...); err != nil {
			return plan, fmt.Errorf("%s: %w", change.Comment, err)
		}
	}
	if err := db.raw(func(conn querier) error { return s.reference(ctx, conn) }); err != nil {
		return plan, fmt.Errorf("write reference rows: %w", err)
	}
	return plan, db.commit()
}

// planned is a difference as Atlas puts it into SQL, and what it would lose.
type planned struct {
	steps []*migrate.Change
	drops []string
}

func diff(ctx context.Context, db *session, current, desired *schema.Schema) (planned, error) {
	// Both sides were read back from a server, in its own spelling: so Atlas
	// may compare the expressions of a CHECK as text.
	changes, err := db.driver.SchemaDiff(current, desired, schema.DiffNormalized())
	if err != nil {
		return planned{}, fmt.Errorf("compare schemas: %w", err)
	}
	// The comment and the owner of public are the database's own affair.
	changes = withoutSchemaAttributes(changes)
	plan, err := db.driver.PlanChanges(ctx, "apply", changes, func(o *migrate.PlanOptions) {
		o.Indent = "  "
	})
	if err != nil {
		return planned{}, fmt.Errorf("plan changes: %w", err)
	}
	return planned{steps: plan.Changes, drops: drops(changes)}, nil
}

func withoutSchemaAttributes(changes []schema.Change) []schema.Change {
	kept := make([]schema.Change, 0, len(changes))
	for _, change := range changes {
		if _, ok := change.(*schema.ModifySchema); !ok {
			kept = append(kept, change)
		}
	}
	return kept
}

func (p planned) statements() []string {
	var statements []string
	for _, step := range p.steps {
		statements = append(statements, strings.TrimRight(step.Cmd, " \n;")+";")
	}
	return statements
}
