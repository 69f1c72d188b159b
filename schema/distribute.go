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

// Distribute spreads the large tables of s over the nodes of the Citus whose coordinator is at url,
// and returns what it did. shards is how many pieces a table is cut into, 0 Citus's own number. What
// is distributed already stays. All is one transaction, in which rows move; others wait for it.
func Distribute(ctx context.Context, url string, s Schema, shards int, dryRun bool) (Plan, error) {
	what := "distribute " + s.Name
	return on(url, what, what+" at", func(config *connConfig) (Plan, error) {
		return within(ctx, config, dryRun, func(db *session) (plan Plan, err error) {
			citus, err := collect(ctx, db, pgx.RowTo[bool], "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL")
			if err != nil {
				return plan, fmt.Errorf("look for Citus: %w", err)
			}
			if !citus[0] {
				return plan, ErrNoCitus
			}
			var count *int32
			if shards > 0 {
				count = new(int32(shards)) // the command line bounds it
			}
			if plan.Statements, err = collect(ctx, db, pgx.RowTo[string], distributeSQL, s.Name, count); err != nil || dryRun {
				return plan, err
			}
			for _, statement := range plan.Statements {
				if err := db.exec(ctx, statement); err != nil {
					return plan, fmt.Errorf("%s: %w", statement, withDetail(err))
				}
			}
			return plan, nil
		})
	})
}
