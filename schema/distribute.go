package schema

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed distribute.sql
var distributeSQL string

// ErrNoCitus is wrapped when a database that shall be distributed has no Citus.
var ErrNoCitus = errors.New("the database has no Citus: a superuser runs CREATE EXTENSION citus on each node, " +
	"and citus_set_coordinator_host and citus_add_node on the coordinator (docs/citus.md)")

// Distribute spreads the large tables of schema s in the database at url, a coordinator of
// Citus, over its nodes, and returns what it did. shards is how many pieces a table is cut
// into; 0 leaves that to Citus. What is distributed already stays as it is. All of it is one
// transaction, in which rows that are there move; others wait for it.
func Distribute(ctx context.Context, url string, s Schema, shards int, dryRun bool) (Plan, error) {
	config, err := parseURL(url)
	if err != nil {
		return Plan{}, fmt.Errorf("distribute %s: database URL: %w", s.Name, err)
	}
	plan, err := distribute(ctx, config, s, shards, dryRun)
	if err != nil {
		return plan, fmt.Errorf("distribute %s at %s: %w", s.Name, label(config), err)
	}
	return plan, nil
}

func distribute(ctx context.Context, config *connConfig, s Schema, shards int, dryRun bool) (Plan, error) {
	db, err := begin(ctx, config, dryRun)
	if err != nil {
		return Plan{}, err
	}
	defer db.rollback()
	var plan Plan
	err = db.raw(func(conn querier) error {
		var citus bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL").Scan(&citus); err != nil {
			return fmt.Errorf("look for Citus: %w", err)
		}
		if !citus {
			return ErrNoCitus
		}
		var count *int32
		if shards > 0 {
			count = new(int32(shards)) // the command line bounds it
		}
		rows, _ := conn.Query(ctx, distributeSQL, s.Name, count) // CollectRows returns its error
		if plan.Statements, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || dryRun {
			return err
		}
		for _, statement := range plan.Statements {
			if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", statement, withDetail(err))
			}
		}
		return nil
	})
	if err != nil || dryRun {
		return plan, err
	}
	if err := db.tx.Commit(); err != nil {
		return plan, fmt.Errorf("commit: %w", err)
	}
	return plan, nil
}
