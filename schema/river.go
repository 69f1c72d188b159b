package schema

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/delfos/delfos/internal/pgpool"
)

// RiverName is the schema of the target that holds River's tables, and names them for `apply`.
const RiverName = "river"

// riverLines is the first of River's migrations that notes the line that a version is of.
const riverLines = 5

// ApplyRiver brings River's tables, in schema river of the target database at url, to what this
// program needs, by River's own migrations, and returns what it did. Each migration is a transaction,
// because some can't share one. Calls at once wait for each other, and a call goes on where one
// failed. A table in use is waited for as by Apply. What a newer River has migrated stays. Of opts,
// DryRun and Waiting count.
func ApplyRiver(ctx context.Context, url string, opts Options) (Plan, error) {
	const what = "apply schema " + RiverName
	return on(url, what, what+" to", func(config *connConfig) (Plan, error) {
		return applyRiver(ctx, config, url, opts)
	})
}

func applyRiver(ctx context.Context, config *connConfig, url string, opts Options) (Plan, error) {
	owner, err := asOwner(ctx, config)
	if err != nil {
		return Plan{}, err
	}
	pool, err := pgpool.Open(ctx, url, pgpool.Options{Name: "delfos schema", MaxConns: 1, Settings: owner})
	if err != nil {
		return Plan{}, err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: RiverName, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return Plan{}, fmt.Errorf("make River's migrator: %w", err)
	}
	create := "CREATE SCHEMA " + RiverName
	if role := owner["role"]; role != "" {
		create += " AUTHORIZATION " + role
	}
	create += ";"
	// Usually there is nothing to do, and then there is nothing to wait for.
	plan, err := planRiver(ctx, pool, migrator, create)
	if err != nil || len(plan.Statements) == 0 || opts.DryRun {
		return plan, err
	}
	lock, err := begin(ctx, config, false)
	if err != nil {
		return Plan{}, err
	}
	defer lock.rollback()
	if plan, err = planRiver(ctx, pool, migrator, create); err != nil || len(plan.Statements) == 0 {
		return plan, err
	}
	if plan.Statements[0] == create {
		// The right to do so is the login's: the owner of the tables need not have it.
		if _, err := pool.Exec(ctx, "SET LOCAL ROLE NONE; "+create); err != nil {
			return plan, fmt.Errorf("create schema: %w", err)
		}
	}
	err = untilFree(ctx, opts.Waiting, func(wait string) error {
		// Of the pool's one session; those that were done before stay.
		if _, err := pool.Exec(ctx, "SET lock_timeout = '"+wait+"'"); err != nil {
			return err
		}
		_, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
	if err != nil {
		return plan, fmt.Errorf("migrate: %w", err)
	}
	return plan, nil
}

// planRiver lists the migrations that a database lacks, after the schema where there is none.
func planRiver(ctx context.Context, pool *pgxpool.Pool, migrator *rivermigrate.Migrator[pgx.Tx], create string) (Plan, error) {
	var plan Plan
	var exists bool
	// CREATE SCHEMA IF NOT EXISTS needs the right to create also when the schema is there.
	if err := pool.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", RiverName).Scan(&exists); err != nil {
		return Plan{}, fmt.Errorf("look for the schema: %w", err)
	}
	if !exists {
		plan.Statements = append(plan.Statements, create)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{DryRun: true})
	if err != nil {
		return Plan{}, fmt.Errorf("plan migrations: %w", err)
	}
	for _, version := range result.Versions {
		noted := fmt.Sprintf("INSERT INTO %s.river_migration (line, version) VALUES ('main', %d);", RiverName, version.Version)
		if version.Version < riverLines {
			noted = fmt.Sprintf("INSERT INTO %s.river_migration (version) VALUES (%d);", RiverName, version.Version)
		}
		plan.Statements = append(plan.Statements, strings.TrimRight(version.SQL, " \n;")+";", noted)
	}
	return plan, nil
}
