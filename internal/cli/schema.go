package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/schema"
)

func newSchema(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "schema",
		Short: "Bring the databases to their schemas",
		Long:  "Schema holds the commands for what the databases are made of.",
		Example: `  delfos schema apply source target river
  delfos schema apply target --dry-run`,
	}, newSchemaApply(r))
}

func newSchemaApply(r *runner) *cobra.Command {
	var opts schema.Options
	names := []string{schema.Source.Name, schema.Target.Name, schema.RiverName}
	cmd := configure(r, &cobra.Command{
		Use:   "apply source|target|river...",
		Short: "Compare databases with their schemas and change what differs",
		Long: `Apply compares each named database with its schema, prints the SQL that makes the
difference on standard output, and runs it in one transaction. It also writes the
rows that others refer to: turbine 1 in the source, the signals in the target.

River is the queue of the orchestrator, which applies it by itself as well: its
tables, in the schema river of the target database, by River's own migrations.

What Delfos never made is left alone, and a warning names it: tables, and columns,
indexes, constraints and comments that somebody added to tables of Delfos. Tables and
columns that a former version had are named likewise, and dropped by
--allow-destructive. The command fails, and changes nothing, when something that this
version needs can't be had.`,
		Example: `  delfos schema apply source target river
  delfos schema apply target --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			want := "want one or several of " + strings.Join(names, ", ")
			if len(args) == 0 {
				return errors.New("argument SCHEMA is missing: " + want)
			}
			for _, arg := range args {
				if !slices.Contains(names, arg) {
					return fmt.Errorf("SCHEMA is %q: %s", arg, want)
				}
			}
			return nil
		},
		ValidArgsFunction: completing(names...),
	}, func(ctx context.Context, c config.Schema, args []string) error {
		opts.DevURL = c.DevURL
		return r.applySchemas(ctx, c, args, opts)
	})
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "print the SQL and change nothing")
	cmd.Flags().BoolVar(&opts.AllowDestructive, "allow-destructive", false, "also drop the tables and columns that only a former version had")
	return cmd
}

// applySchemas goes through the named databases in the order given, but through
// River's tables after the target's; one that fails does not keep the next from
// its turn.
func (r *runner) applySchemas(ctx context.Context, c config.Schema, names []string, opts schema.Options) error {
	var failed []error
	for _, name := range inOrder(names) {
		var plan schema.Plan
		var err error
		switch name {
		case schema.Source.Name:
			plan, err = schema.Apply(ctx, c.SourceDBURL, schema.Source, opts)
		case schema.Target.Name:
			plan, err = schema.Apply(ctx, c.TargetDBURL, schema.Target, opts)
		case schema.RiverName:
			plan, err = schema.ApplyRiver(ctx, c.TargetDBURL, opts)
		}
		if err != nil {
			failed = append(failed, explainConnection(name, err))
			continue
		}
		r.warnOfRest(ctx, name, plan)
		if len(plan.Statements) == 0 {
			r.log.InfoContext(ctx, "schema: nothing to do", "schema", name)
			continue
		}
		if err := r.print("-- %s\n%s", name, strings.TrimSuffix(plan.SQL(), "\n")); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// warnOfRest names what a database holds that its schema does not.
func (r *runner) warnOfRest(ctx context.Context, name string, plan schema.Plan) {
	if len(plan.Foreign) > 0 {
		r.log.WarnContext(ctx, "schema: left alone, since Delfos did not make it", "schema", name, "found", strings.Join(plan.Foreign, ", "))
	}
	if len(plan.Retired) > 0 {
		r.log.WarnContext(ctx, "schema: kept, though only a former version had it; --allow-destructive drops it", "schema", name, "found", strings.Join(plan.Retired, ", "))
	}
}

// explainConnection adds to the error of a connection what to do about it; what a
// statement needs, the schemas say themselves.
func explainConnection(name string, err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return err
	}
	if name == schema.Source.Name {
		return dberror.Source.Explain(err)
	}
	return dberror.Target.Explain(err)
}

// inOrder names each schema once, River's behind the target's.
func inOrder(names []string) []string {
	var order []string
	for _, name := range names {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	river, target := slices.Index(order, schema.RiverName), slices.Index(order, schema.Target.Name)
	if river >= 0 && river < target {
		order = slices.Insert(order, target+1, schema.RiverName)
		order = slices.Delete(order, river, river+1)
	}
	return order
}
