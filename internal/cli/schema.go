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
	}, newSchemaApply(r), newSchemaDistribute(r))
}

func newSchemaApply(r *runner) *cobra.Command {
	var opts schema.Options
	names := []string{schema.Source.Name, schema.Target.Name, schema.RiverName, schema.RolesName}
	cmd := configure(r, &cobra.Command{
		Use:   "apply source|target|river|roles...",
		Short: "Compare databases with their schemas and change what differs",
		Long: `Apply compares each named database with its schema, prints the SQL that makes the
difference on standard output, and runs it in one transaction. It also writes the
signals of the target. It makes no turbine: seed, import and turbine do. A table that is
in use is waited for, and nobody else is kept from it meanwhile.

River is the queue of the orchestrator, which applies it by itself as well: its
tables, in the schema river of the target database, by River's own migrations.

Roles are those of least privilege, in both databases: an owner, which nobody logs in
as, and a role each for the source API, for what writes the source, for the ETL and for
analysts. Tables of Delfos change hands to the owner; whoever owned them stays a member.
A role gets a password where its variable is set. Where the login may not make roles,
the error has the statements that an administrator runs.

What Delfos never made is left alone, and a warning names it: tables, and columns,
indexes, constraints and comments that somebody added to tables of Delfos. Tables and
columns that a former version had are named as well, and dropped by
--allow-destructive. The command fails, and changes nothing, when something that this
version needs can't be had.`,
		Example: `  delfos schema apply source target river
  delfos schema apply target --dry-run
  delfos schema apply source target river roles`,
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

// applySchemas goes through the named databases, River's tables after the target's, which they stand
// in, and the roles last; one that fails does not keep the next from its turn.
func (r *runner) applySchemas(ctx context.Context, c config.Schema, names []string, opts schema.Options) error {
	var failed []error
	warned := false
	opts.Waiting = func(err error) {
		if !warned {
			r.log.WarnContext(ctx, "schema: a table is in use; trying again until it is free", "error", err)
		}
		warned = true
	}
	roles := func(url string, s schema.Schema, passwords map[string]string) (schema.Plan, error) {
		opts.Passwords = passwords
		return schema.ApplyRoles(ctx, url, s, opts)
	}
	for _, s := range []struct {
		name     string
		database dberror.Database
		apply    func() (schema.Plan, error)
	}{
		{schema.Source.Name, dberror.Source, func() (schema.Plan, error) { return schema.Apply(ctx, c.SourceDBURL, schema.Source, opts) }},
		{schema.Target.Name, dberror.Target, func() (schema.Plan, error) { return schema.Apply(ctx, c.TargetDBURL, schema.Target, opts) }},
		{schema.RiverName, dberror.Target, func() (schema.Plan, error) { return schema.ApplyRiver(ctx, c.TargetDBURL, opts) }},
		{schema.RolesName, dberror.Source, func() (schema.Plan, error) {
			return roles(c.SourceDBURL, schema.Source, map[string]string{schema.APIRole: c.APIPassword, schema.ImportRole: c.ImportPassword})
		}},
		{schema.RolesName, dberror.Target, func() (schema.Plan, error) {
			return roles(c.TargetDBURL, schema.Target, map[string]string{schema.ETLRole: c.ETLPassword})
		}},
	} {
		if !slices.Contains(names, s.name) {
			continue
		}
		warned = false
		title := s.name
		if s.name == schema.RolesName {
			title += " of the " + string(s.database)
		}
		plan, err := s.apply()
		if err != nil {
			// What a statement needs, the schemas say themselves.
			if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
				err = s.database.Explain(err)
			}
			failed = append(failed, err)
			continue
		}
		r.warnOfRest(ctx, s.name, plan)
		if len(plan.Statements) == 0 {
			r.log.InfoContext(ctx, "schema: nothing to do", "schema", title)
			continue
		}
		if err := r.print("-- %s\n%s", title, strings.TrimSuffix(plan.SQL(), "\n")); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func (r *runner) warnOfRest(ctx context.Context, name string, plan schema.Plan) {
	if len(plan.Foreign) > 0 {
		r.log.WarnContext(ctx, "schema: left alone, since Delfos did not make it", "schema", name, "found", strings.Join(plan.Foreign, ", "))
	}
	if len(plan.Retired) > 0 {
		r.log.WarnContext(ctx, "schema: kept, though only a former version had it; --allow-destructive drops it", "schema", name, "found", strings.Join(plan.Retired, ", "))
	}
}

// maxShards is Citus's own bound.
const maxShards = 64_000

func newSchemaDistribute(r *runner) *cobra.Command {
	var shards int
	var dryRun bool
	names := []string{schema.Target.Name, schema.Source.Name}
	cmd := configure(r, &cobra.Command{
		Use:   "distribute target|source",
		Short: "Spread a database over the nodes of a Citus cluster",
		Long: `Distribute spreads the large tables of a database over the nodes of a Citus cluster, by
turbine; its URL names the coordinator, to which the schema was applied. It prints the SQL
and runs it in one transaction. Rows that are there move. What is distributed already stays
as it is, so a second run does nothing. The ledger and the queue stay on the coordinator.

A database without Citus is refused. docs/citus.md says how to set a cluster up, and what is
weaker there.`,
		Example: `  delfos schema distribute target
  delfos schema distribute target --shards 8 --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			want := "want " + strings.Join(names, " or ")
			if len(args) != 1 {
				return fmt.Errorf("%d arguments: %s", len(args), want)
			}
			if args[0] != names[0] && args[0] != names[1] {
				return fmt.Errorf("DATABASE is %q: %s", args[0], want)
			}
			return nil
		},
		ValidArgsFunction: completing(names...),
	}, func(ctx context.Context, c config.Databases, args []string) error {
		if shards < 0 || shards > maxShards {
			return fmt.Errorf("--shards is %d: want 1 to %d, or 0 for Citus's own number", shards, maxShards)
		}
		s, url := schema.Target, c.TargetDBURL
		if args[0] == schema.Source.Name {
			s, url = schema.Source, c.SourceDBURL
		}
		plan, err := schema.Distribute(ctx, url, s, shards, dryRun)
		if err != nil {
			return err
		}
		if len(plan.Statements) == 0 {
			r.log.InfoContext(ctx, "distribute: nothing to do", "database", s.Name)
			return nil
		}
		return r.print("-- %s\n%s", s.Name, strings.TrimSuffix(plan.SQL(), "\n"))
	})
	cmd.Flags().IntVar(&shards, "shards", 0, "into how many pieces a table is cut; 0 leaves it to Citus")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the SQL and change nothing")
	return cmd
}
