package etl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// PruneRequest asks for the removal of the days before one, at UTC midnight.
type PruneRequest struct {
	Before time.Time
	// DryRun says what would be removed and removes nothing.
	DryRun bool
	// Progress, if any, is called after each day.
	Progress func(done, total int64)
}

// PrunedDay is a day of which everything was removed, or would be.
type PrunedDay struct {
	Day time.Time `json:"-"`
	// Date is Day in JSON.
	Date   string `json:"day"`
	Values int64  `json:"values"` // before, of the target; samples, of the source
}

// Pruning is what became of a PruneRequest.
type Pruning struct {
	RunID   int64       `json:"run_id,omitempty"`
	Before  string      `json:"before"`
	DryRun  bool        `json:"dry_run"`
	Days    []PrunedDay `json:"days"`
	Values  int64       `json:"values"` // the sum
	Seconds float64     `json:"seconds"`
}

// Prunable lists the days before one that the target has anything of, ascending, with
// how many values; with unasked only days that nobody asks for.
func Prunable(ctx context.Context, db targetdb.DBTX, before time.Time, unasked bool) ([]PrunedDay, error) {
	rows, err := targetdb.New(db).ListPrunable(ctx, targetdb.ListPrunableParams{Before: before, Unasked: unasked})
	if err != nil {
		return nil, fmt.Errorf("list the days before %s: %w", format(before), explain(err))
	}
	days := make([]PrunedDay, len(rows))
	for i, row := range rows {
		days[i] = PrunedDay{Day: row.Day, Date: format(row.Day), Values: row.Rows}
	}
	return days, nil
}

// PruneRun is the run in which days are pruned.
func PruneRun(trigger enum.RunTrigger, days []PrunedDay) targetdb.CreateRunParams {
	run := targetdb.CreateRunParams{Trigger: trigger, FirstDay: days[0].Day, LastDay: days[len(days)-1].Day}
	for _, d := range days {
		run.Days = append(run.Days, d.Day)
	}
	return run
}

// Pruner removes old days. It is safe for concurrent use.
type Pruner struct {
	target *pgxpool.Pool
	ledger *ledger.Ledger
	log    *slog.Logger
}

// NewPruner returns a Pruner, to be closed after use, on a pool of OpenTarget; the error is
// of the configuration alone.
func NewPruner(ctx context.Context, target *pgxpool.Pool, log *slog.Logger) (*Pruner, error) {
	claims, err := ledger.New(ctx, target, ledger.DefaultLease, log)
	if err != nil {
		return nil, err
	}
	return &Pruner{target, claims, log}, nil
}

// Close ends the pruner's own sessions. The pool that it was given stays open.
func (w *Pruner) Close() { w.ledger.Close() }

// PruneDays removes days from the target, on behalf of a run of which they are.
func (j *Job) PruneDays(ctx context.Context, run int64, days []PrunedDay) error {
	w := &Pruner{j.target, j.ledger, j.log}
	return w.each(ctx, run, days, func(d PrunedDay) error {
		_, err := w.pruneDay(ctx, run, d.Day)
		return err
	})
}

// Target removes the days of r from the target, each in a transaction of its own
// and under a claim, like a load: the ledger calls them pruned. After an error the days
// before it are pruned.
func (w *Pruner) Target(ctx context.Context, r PruneRequest) (Pruning, error) {
	return w.prune(ctx, r, enum.RunTriggerPruneTarget, w.pruneDay, func() ([]PrunedDay, error) { return Prunable(ctx, w.target, r.Before, false) })
}

func (w *Pruner) prune(
	ctx context.Context, r PruneRequest, trigger enum.RunTrigger, remove func(ctx context.Context, run int64, day time.Time) (int64, error), list func() ([]PrunedDay, error),
) (Pruning, error) {
	begun := time.Now()
	p := Pruning{Before: format(r.Before), DryRun: r.DryRun, Days: []PrunedDay{}}
	days, err := list()
	if err != nil {
		return p, err
	}
	if !r.DryRun && len(days) > 0 {
		if p.RunID, err = openRun(ctx, w.ledger, PruneRun(trigger, days)); err != nil {
			return p, err
		}
	}
	err = w.each(ctx, p.RunID, days, func(d PrunedDay) (err error) {
		if !r.DryRun {
			if d.Values, err = remove(ctx, p.RunID, d.Day); err != nil {
				return err
			}
		}
		p.Days = append(p.Days, d)
		p.Values += d.Values
		if r.Progress != nil {
			r.Progress(int64(len(p.Days)), int64(len(days)))
		}
		return nil
	})
	p.Seconds = time.Since(begun).Seconds()
	return p, err
}

// each calls f for the days of a run up to the first error, after which the ledger has
// the rest as cancelled.
func (w *Pruner) each(ctx context.Context, run int64, days []PrunedDay, f func(PrunedDay) error) error {
	for _, d := range days {
		err := f(d)
		if err == nil {
			continue
		}
		err = fmt.Errorf("prune %s: %w", d.Date, explain(err))
		if run != 0 && !targetAway(err) {
			if err := w.ledger.CancelRun(ctx, run); err != nil {
				w.log.WarnContext(ctx, "recording that days were not pruned failed", "run", run, "error", err)
			}
		}
		return err
	}
	return nil
}

func (w *Pruner) pruneDay(ctx context.Context, run int64, day time.Time) (values int64, err error) {
	err = w.claimed(ctx, run, day, func(ctx context.Context, c *ledger.Claim) (err error) {
		values, err = c.Prune(ctx)
		return err
	})
	if err == nil {
		w.log.DebugContext(ctx, "pruned", "day", format(day), "values", values)
	}
	return values, err
}

// claimed calls f with the claim on a day that is to be pruned, and records its failure.
func (w *Pruner) claimed(ctx context.Context, run int64, day time.Time, f func(context.Context, *ledger.Claim) error) error {
	held, c, err := w.ledger.Claim(ctx, day, ledger.Order{RunID: run, Prune: true})
	if err != nil {
		return err
	}
	defer c.Release(ctx)
	if err = f(held, c); err == nil || c.Settled() {
		return err
	}
	outcome := unfinished(ctx, err)
	if cause := context.Cause(held); cause != nil {
		err = cause
	}
	if unsettled := c.Fail(ctx, outcome, explain(err)); unsettled != nil && !errors.Is(unsettled, ledger.ErrClaimLost) {
		return fmt.Errorf("%w; %w", err, unsettled)
	}
	return err
}
