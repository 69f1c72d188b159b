// Package ledger says who may write a day of the target, and records what became of it.
//
//	claim.go   a day's claim: its lease, its fencing token, the takeover of a dead one
//	settle.go  how an attempt ends: committed, failed, with a COMMIT that nobody answered,
//	           or with a day that was removed on purpose
//	ledger.go  the runs of commands, what the data checks (etl/check) found, and the
//	           sessions that the ledger asks through
//
// All its state is in the target's tables partition, attempt, run and run_partition.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/tracing"
)

// Ledger hands out claims on days.
type Ledger struct {
	pool *pgxpool.Pool // of the sessions that hold claims
	// upkeep is for what must go on while any number of claims waits for a
	// session of pool: renewals, and the record of failures.
	upkeep *pgxpool.Pool
	lease  time.Duration
	log    *slog.Logger
}

const (
	// upkeepConns is how many sessions serve the upkeep of all claims; each of its
	// statements is over in a moment.
	upkeepConns = 2
	// settleTimeout bounds each step that is still taken for an attempt that
	// failed or was cancelled, so that a target that is away holds nobody up.
	settleTimeout = 5 * time.Second
	poll          = 100 * time.Millisecond
)

// New returns a Ledger, to be closed after use. Its claims take sessions of a pool,
// and live for a lease without a sign of life. The error is of the pool's
// configuration.
func New(ctx context.Context, pool *pgxpool.Pool, lease time.Duration, log *slog.Logger) (*Ledger, error) {
	config := pool.Config()
	config.MaxConns, config.MinConns, config.MinIdleConns = upkeepConns, 0, 0
	upkeep, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return &Ledger{pool: pool, upkeep: upkeep, lease: lease, log: log}, nil
}

// Close ends the ledger's own sessions. The pool that it was given stays open.
func (l *Ledger) Close() { l.upkeep.Close() }

// OpenRun enters a run that its own process works on, and its days, on behalf of the
// context's actor and in its trace.
func (l *Ledger) OpenRun(ctx context.Context, run targetdb.CreateRunParams) (id int64, err error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	run.Actor, run.TraceID = actor.Of(ctx), tracing.TraceID(ctx)
	if id, err = targetdb.New(execFirstUse{conn}).CreateRun(ctx, run); err == nil {
		l.log.DebugContext(ctx, "the run was opened", "run", id, "trigger", run.Trigger, "days", len(run.Days), "actor", run.Actor)
	}
	return id, err
}

// FollowTurbines writes the source's turbines, JSON as its API lists them, to the target
// where they are new or have changed. The load's session looks whether they are; another
// one writes, because days that are loaded beside this one must not wait for its end.
func (c *Claim) FollowTurbines(ctx context.Context, turbines string) error {
	differ, err := c.q.TurbinesDiffer(ctx, turbines)
	if err == nil && differ {
		_, err = targetdb.New(c.ledger.upkeep).FollowTurbines(ctx, turbines)
	}
	if err != nil {
		return fmt.Errorf("follow the source's turbines: %w", err)
	}
	return nil
}

// CancelRun settles the days that a run which ends early has not come to, so that the
// ledger does not show it as under way for ever. It works for a cancelled context too.
func (l *Ledger) CancelRun(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, err := targetdb.New(l.upkeep).CancelRunPartitions(ctx, id)
	return err
}

// execFirstUse asks a session. A statement is prepared when the session comes to it
// again: what it asks once, as a run of one day does, takes one round trip instead of
// two.
type execFirstUse struct{ *pgxpool.Conn }

func (s execFirstUse) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.Conn.Exec(ctx, sql, s.withMode(sql, args)...)
}

func (s execFirstUse) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.Conn.Query(ctx, sql, s.withMode(sql, args)...)
}

func (s execFirstUse) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.Conn.QueryRow(ctx, sql, s.withMode(sql, args)...)
}

func (s execFirstUse) withMode(sql string, args []any) []any {
	asked := s.Conn.Conn().PgConn().CustomData()
	if asked[sql] != nil {
		return args
	}
	asked[sql] = true
	return append([]any{pgx.QueryExecModeExec}, args...)
}

const flagsAtOnce = 10_000

// Findings are what the data checks found of a day.
type Findings struct {
	check.Report

	Read []int32 // turbines
	Kept []int32 // turbines that keep their old values, and so their old flags
}

// RecordFindings writes what the checks found, in the load's transaction.
func (c *Claim) RecordFindings(ctx context.Context, f Findings) error {
	q := targetdb.New(c.tx)
	keeps := func(turbine int32) bool { return slices.Contains(f.Kept, turbine) }
	start, stop := c.day, c.day.AddDate(0, 0, 1)
	if c.order.Subset {
		loaded := slices.DeleteFunc(slices.Clone(f.Read), keeps)
		if _, err := q.DeleteFlags(ctx, targetdb.DeleteFlagsParams{Start: start, Stop: stop, TurbineIds: loaded}); err != nil {
			return fmt.Errorf("remove flags: %w", err)
		}
	} else {
		results := targetdb.ReplaceCheckResultsParams{Day: c.day, Token: c.Entry.Token, Start: start, Stop: stop, Kept: f.Kept}
		for _, r := range f.Results {
			results.CheckNames = append(results.CheckNames, string(r.Check))
			results.Variables = append(results.Variables, r.Variable)
			results.Versions = append(results.Versions, r.Check.Version())
			results.Statuses = append(results.Statuses, string(r.Status))
			results.Faults = append(results.Faults, r.Faults)
			results.Details = append(results.Details, r.Detail)
		}
		if err := q.ReplaceCheckResults(ctx, results); err != nil {
			return fmt.Errorf("record what the checks found: %w", err)
		}
	}
	flags := slices.DeleteFunc(f.Flags, func(f check.Flag) bool { return keeps(f.Turbine) })
	for part := range slices.Chunk(flags, flagsAtOnce) {
		var p targetdb.AddFlagsParams
		for _, f := range part {
			p.TurbineIds = append(p.TurbineIds, f.Turbine)
			p.Variables = append(p.Variables, f.Variable)
			p.Timestamps = append(p.Timestamps, time.UnixMicro(f.Start).UTC())
			p.CheckNames = append(p.CheckNames, string(f.Check))
			p.Versions = append(p.Versions, f.Check.Version())
			p.Details = append(p.Details, f.Detail)
		}
		if _, err := q.AddFlags(ctx, p); err != nil {
			return fmt.Errorf("flag windows: %w", err)
		}
	}
	return nil
}
