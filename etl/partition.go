package etl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// ErrNoSamples is wrapped when the source holds no samples of a day.
var ErrNoSamples = errors.New("the source has no samples of this day")

// Partition tells what became of one day. Rows are values of the target's data.
type Partition struct {
	Day      string       `json:"day"`
	Outcome  enum.Outcome `json:"outcome"`
	Samples  int64        `json:"samples"`
	Expected int64        `json:"expected"`
	Windows  int64        `json:"windows"`
	Rows     int64        `json:"rows"`
	Inserted int64        `json:"inserted"`
	Updated  int64        `json:"updated"`
	Deleted  int64        `json:"deleted"`
	// Written is the sum of the three; a dry run writes none of them.
	Written int64 `json:"written"`
	// Refused are values that would have been removed and were not, as that takes a
	// request that allows it.
	Refused int64   `json:"refused"`
	Seconds float64 `json:"seconds"`
	// Warnings counts the data checks that did not pass; an unchanged day is not
	// checked anew.
	Warnings int `json:"warnings"`
	// Token fenced the attempt; the ledger's table attempt has it too.
	Token int64  `json:"token,omitempty"`
	Error string `json:"error,omitempty"`
}

// partition brings one day of the target to what the source holds, or says
// what that would change.
func (j *Job) partition(ctx context.Context, r Request, day time.Time, o Order) (Partition, error) {
	begun := time.Now()
	p := Partition{Day: format(day), Outcome: enum.OutcomeFailed}
	var err error
	if r.DryRun {
		if err = j.preview(ctx, r, day, &p); err != nil {
			p.Outcome = unfinished(ctx, err)
		}
	} else {
		err = j.load(ctx, r, day, o, &p)
	}
	p.Seconds = time.Since(begun).Seconds()
	p.Written = p.Inserted + p.Updated + p.Deleted
	if err != nil {
		p.Error = explain(err).Error()
		err = fmt.Errorf("%s: %w", p.Day, err)
	}
	return p, err
}

// unfinished is the outcome of an attempt that was not committed.
func unfinished(ctx context.Context, err error) enum.Outcome {
	late := errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if errors.Is(err, ErrCalledOff) || ctx.Err() != nil && !late {
		return enum.OutcomeCancelled
	}
	return enum.OutcomeFailed
}

// load claims the day, makes an attempt at it and settles the claim.
func (j *Job) load(ctx context.Context, r Request, day time.Time, o Order, p *Partition) error {
	claimed, c, err := j.ledger.claim(ctx, day, o, !r.Turbines.All())
	if err != nil {
		p.Outcome = unfinished(ctx, err)
		return err
	}
	p.Token = c.token
	settled := false
	defer func() { c.release(ctx, settled) }()
	if lost := c.taken.Lost; lost >= maxLost && !o.own() {
		err = &LostError{lost}
	} else if settled, err = j.attempt(claimed, c, r, day, p); settled {
		return err
	}
	p.Outcome = unfinished(ctx, err)
	if cause := context.Cause(claimed); cause != nil {
		err = cause
	}
	mine, told := c.fail(ctx, p.Outcome, explain(err))
	settled = told == nil
	switch {
	case told != nil:
		return fmt.Errorf("%w; %w: %w", err, errUntold, told)
	case !mine && !errors.Is(err, ErrClaimLost):
		return fmt.Errorf("%w: %w", ErrClaimLost, err)
	}
	return err
}

// attempt extracts and loads a claimed day in one transaction. When some
// turbines are broken the others are committed, and the error names the broken.
func (j *Job) attempt(ctx context.Context, c *claim, r Request, day time.Time, p *Partition) (committed bool, err error) {
	asked := j.survey(ctx, r, c)
	defer asked.end()
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	// After a commit it does nothing; after a loss of the session it can't.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	l := newLoader(tx, day, r)
	opened, err := c.q.OpenLoad(ctx, targetdb.OpenLoadParams{Start: l.start, Stop: l.stop})
	if err != nil {
		return false, fmt.Errorf("lock signals: %w", err)
	}
	if err := l.resolve(opened.Ids, opened.Names); err != nil {
		return false, err
	}
	turbines, err := asked.turbines()
	if err != nil {
		return false, err
	}
	expected := int64(len(turbines.wanted)) * extract.SamplesPerDay
	if c.loaded() {
		unchanged, err := c.unchanged(ctx, l, asked.digest)
		if err != nil {
			return false, err
		}
		if unchanged {
			err := c.confirm(ctx, tx, expected, p)
			return err == nil, err
		}
	}

	rules, err := asked.rules()
	if err != nil {
		return false, err
	}
	t, err := j.stream(ctx, day, turbines.wanted, rules, r.extracted, func(ctx context.Context, groups <-chan group) (written, error) {
		if !opened.Held {
			return l.copy(ctx, groups)
		}
		return l.applyAll(ctx, groups)
	})
	if err != nil {
		return false, err
	}
	after, part, err := j.conclude(ctx, l, r, t, turbines, c.taken.RowsMost, p)
	if err != nil {
		return false, err
	}
	outcome := t.outcome(part)
	var digest *int64
	if r.Turbines.All() && part == nil {
		digest = &t.digest
	}
	if err := c.record(ctx, tx, t); err != nil {
		return false, err
	}
	if err := c.commit(ctx, tx, result{
		outcome: outcome, err: part, samples: t.samples, expected: expected, windows: t.windows,
		written: t.written, source: digest, rows: after.Rows, digest: after.Digest, erase: r.AllowEmpty,
	}); err != nil {
		return false, err
	}
	t.report(p, len(turbines.wanted))
	p.Outcome, p.Rows = outcome, after.Rows
	t.tell(ctx, j.log, day)
	if j.added.Add(t.inserted) >= rangeRows && !c.doubtful && ctx.Err() == nil {
		j.added.Store(0)
		j.summarize(ctx, c)
	}
	return true, part
}

// conclude judges what an attempt has written within its transaction, and says
// what the day holds now. An error forbids to commit it; part is that of a day some
// of whose turbines keep what they had.
func (j *Job) conclude(ctx context.Context, l *loader, r Request, t *tally, all turbines, most int64, p *Partition) (after targetdb.DigestValuesRow, part, err error) {
	if r.Turbines.All() && l.copied == nil {
		swept, err := l.sweep(ctx, all.all)
		if err != nil {
			return after, nil, err
		}
		t.add(swept)
	}
	if after, err = l.digest(ctx); err != nil {
		return after, nil, err
	}
	if l.dry {
		after.Rows += t.inserted - t.deleted
	}
	t.kept = l.losses()
	whole, part := t.guard(r, after.Rows, most)
	if erase, ok := errors.AsType[*EraseError](errors.Join(whole, part)); ok {
		p.Refused = erase.Removed()
	}
	if whole != nil {
		p.Samples, p.Rows = t.samples, after.Rows-t.inserted+t.deleted
		return after, nil, join(t.brokenError(), whole)
	}
	if err := t.verdict(r); err != nil {
		return after, nil, err
	}
	return after, join(t.brokenError(), part), t.judge()
}

// summarize enters new rows in the index on timestamp; until then whoever looks
// for a day looks through all of them, be it the job itself on the days to come
// of a long run. It can't be part of the transaction, as
// it would hold up other days' loads, and takes the claim's own session, as a
// free one may be long in coming. A failure costs time alone.
func (j *Job) summarize(ctx context.Context, c *claim) {
	if err := targetdb.New(c.conn).SummarizeData(ctx); err != nil {
		j.log.WarnContext(ctx, "summarizing new rows for data_timestamp_idx failed", "day", format(c.day), "error", err)
	}
}

// preview computes what load would change, without a claim, from one snapshot
// of the target.
func (j *Job) preview(ctx context.Context, r Request, day time.Time, p *Partition) error {
	turbines, err := j.turbines(ctx, r.Turbines)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, j.target, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		l := newLoader(tx, day, r)
		signals, err := l.q.ListSignals(ctx)
		if err != nil {
			return fmt.Errorf("list signals: %w", err)
		}
		ids, names := make([]int32, len(signals)), make([]string, len(signals))
		for i, s := range signals {
			ids[i], names[i] = s.ID, s.Name
		}
		if err := l.resolve(ids, names); err != nil {
			return err
		}
		rules, err := j.rules(ctx, r)
		if err != nil {
			return err
		}
		t, err := j.stream(ctx, day, turbines.wanted, rules, r.extracted, func(ctx context.Context, groups <-chan group) (written, error) {
			return l.applyAll(ctx, groups)
		})
		if err != nil {
			return err
		}
		most, err := l.q.ReadRowsMost(ctx, day)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the ledger: %w", err)
		}
		after, part, err := j.conclude(ctx, l, r, t, turbines, most, p)
		if err != nil {
			return err
		}
		t.report(p, len(turbines.wanted))
		p.Outcome, p.Rows = t.outcome(part), after.Rows
		return part
	})
}
