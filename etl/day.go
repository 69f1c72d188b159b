package etl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/etl/load"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/checkrule"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/tracing"
)

// dayLoad brings one day of the target to what the source holds, or says what that
// would change.
type dayLoad struct {
	*Job

	day        time.Time
	turbines   selector.Set
	order      ledger.Order
	dryRun     bool
	mayBeEmpty bool   // a day without samples is a success if the target has none of it
	extracted  func() // is called when the source is no longer needed
	result     Partition
}

// Load brings one day of the target to what the source holds of all its
// turbines, as a command's run does. A day without samples is a success if the
// target has none of it, or if the order allows to remove what it has.
func (j *Job) Load(ctx context.Context, day time.Time, o ledger.Order) (Partition, error) {
	d := dayLoad{Job: j, day: day, turbines: selector.All(), order: o, mayBeEmpty: true, extracted: func() {}}
	p, err := d.run(ctx)
	return p, explain(err)
}

func (d *dayLoad) run(ctx context.Context) (_ Partition, err error) {
	ctx, end := tracing.Span(ctx, "load day", attribute.String("delfos.day", format(d.day)))
	defer func() { end(err) }()
	begun := time.Now()
	p := &d.result
	p.Day, p.Outcome = format(d.day), enum.OutcomeFailed
	if d.dryRun {
		if err = d.preview(ctx); err != nil {
			p.Outcome = unfinished(ctx, err)
		}
	} else {
		err = d.load(ctx)
	}
	p.Seconds = time.Since(begun).Seconds()
	p.Written = p.Inserted + p.Updated + p.Deleted
	if err != nil {
		p.Error = explain(err).Error()
		err = fmt.Errorf("%s: %w", p.Day, err)
	}
	return *p, err
}

// unfinished is the outcome of an attempt that was not committed.
func unfinished(ctx context.Context, err error) enum.Outcome {
	late := errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if errors.Is(err, ledger.ErrCalledOff) || ctx.Err() != nil && !late {
		return enum.OutcomeCancelled
	}
	return enum.OutcomeFailed
}

func (d *dayLoad) load(ctx context.Context) error {
	claimed, c, err := d.ledger.Claim(ctx, d.day, d.order)
	if err != nil {
		d.result.Outcome = unfinished(ctx, err)
		return err
	}
	d.result.Token = c.Entry.Token
	defer c.Release(ctx)
	if err = c.GivenUp(); err == nil {
		if err = d.attempt(claimed, c); c.Settled() {
			return err
		}
	}
	d.result.Outcome = unfinished(ctx, err)
	if cause := context.Cause(claimed); cause != nil {
		err = cause
	}
	switch unsettled := c.Fail(ctx, d.result.Outcome, explain(err)); {
	case errors.Is(unsettled, ledger.ErrNotRecorded):
		return fmt.Errorf("%w; %w", err, unsettled)
	case unsettled != nil && !errors.Is(err, ledger.ErrClaimLost):
		return fmt.Errorf("%w: %w", unsettled, err)
	}
	return err
}

// attempt extracts and loads a claimed day in one transaction, and settles the claim if
// it is committed. When some turbines are broken the others are committed, and the
// error names the broken.
func (d *dayLoad) attempt(ctx context.Context, c *ledger.Claim) error {
	// The source is asked while the transaction is opened, for the day's digests too if they
	// may tell that nothing has changed.
	asking, cancel := context.WithCancel(ctx)
	ask := sync.OnceValues(func() (sourceTurbines, error) { return d.askTurbines(asking) })
	digests := sync.OnceValues(func() ([]extract.Digest, error) { return d.source.Digests(asking, d.day, d.day) })
	var beside sync.WaitGroup
	beside.Go(func() {
		if _, err := ask(); err == nil && (c.Loaded() || c.Entry.SourcePrunedAt != nil) {
			_, _ = digests()
		}
	})
	defer beside.Wait()
	defer cancel()

	tx, q, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	l, err := load.Open(ctx, tx, q, d.day, load.Options{AllowEmpty: d.order.AllowEmpty, Loaded: c.Loaded()})
	if err != nil {
		return err
	}
	source, err := ask()
	if err != nil {
		return err
	}
	if err := follow(ctx, c, source.list); err != nil {
		return err
	}
	switch same, err := d.unchanged(ctx, c, l, &source, digests); {
	case err != nil:
		return err
	case same != nil:
		return d.commit(ctx, c, *same)
	}
	rules, err := d.rules(ctx, q, source.list)
	if err != nil {
		return err
	}
	t, err := d.transfer(ctx, l, rules, source, c.Entry.RowsMost)
	if err != nil {
		return err
	}
	if err := c.RecordFindings(ctx, ledger.Findings{Report: t.found, Read: t.read, Kept: t.keep()}); err != nil {
		return err
	}
	r := t.ledgerResult()
	if d.order.Subset || t.partial != nil {
		r.SourceDigest = nil
	} else if !d.over() {
		if err := l.NoteTurbineDigests(ctx, t.clean); err != nil {
			return err
		}
	}
	if err := d.commit(ctx, c, r); err != nil {
		return err
	}
	d.result.Warnings = t.found.Warnings()
	t.warn(ctx, d.log, d.day)
	if d.added.Add(t.Inserted) >= rangeRows && !c.Doubtful() && ctx.Err() == nil {
		d.summarize(ctx, q, d.day)
	}
	return t.partial
}

func (d *dayLoad) commit(ctx context.Context, c *ledger.Claim, r ledger.Result) error {
	if err := c.Commit(ctx, r); err != nil {
		return err
	}
	d.result.report(r)
	return nil
}

// preview computes what load would change, without a claim, from one snapshot
// of the target.
func (d *dayLoad) preview(ctx context.Context) error {
	source, err := d.askTurbines(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, d.target, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		q := targetdb.New(tx)
		l, err := load.Open(ctx, tx, q, d.day, load.Options{DryRun: true, AllowEmpty: d.order.AllowEmpty})
		if err != nil {
			return err
		}
		rules, err := d.rules(ctx, q, source.list)
		if err != nil {
			return err
		}
		held, err := q.ReadPartition(ctx, d.day)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the ledger: %w", err)
		}
		kept, err := keptOf(targetdb.ClaimPartitionRow{
			Outcome: held.Outcome, Samples: held.Samples, Expected: held.Expected, Windows: held.Windows, Rows: held.Rows, SourcePrunedAt: held.SourcePrunedAt,
		}, func() ([]extract.Digest, error) { return d.source.Digests(ctx, d.day, d.day) })
		if err != nil {
			return err
		}
		if kept != nil {
			d.result.report(*kept)
			return nil
		}
		t, err := d.transfer(ctx, l, rules, source, held.RowsMost)
		if err != nil {
			return err
		}
		d.result.report(t.ledgerResult())
		d.result.Warnings = t.found.Warnings()
		return t.partial
	})
}

type sourceTurbines struct {
	list     []sourceapi.Turbine
	all      []int32                  // ascending
	wanted   []int32                  // those that are loaded
	unread   []targetdb.TurbineDigest // those that have not changed since they were loaded
	expected int64                    // how many samples the two have of the day without gaps
}

func (d *dayLoad) askTurbines(ctx context.Context) (s sourceTurbines, err error) {
	now := d.now() // before the source is asked: what comes later may be missing
	if s.list, err = d.source.Turbines(ctx, nil); err != nil {
		return s, fmt.Errorf("list turbines: %w", err)
	}
	s.all = []int32{} // without turbines it is empty and not NULL, of which no value is another
	for _, t := range s.list {
		s.all = append(s.all, t.Id)
		if d.turbines.Contains(t.Id) {
			s.wanted = append(s.wanted, t.Id)
			s.expected += extract.Expected(t, d.day, now)
		}
	}
	if len(s.wanted) == 0 && !d.turbines.All() {
		return s, fmt.Errorf("turbines %s: the source has none of them", d.turbines)
	}
	return s, nil
}

func follow(ctx context.Context, c *ledger.Claim, list []sourceapi.Turbine) error {
	turbines, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write the source's turbines: %w", err)
	}
	return c.FollowTurbines(ctx, string(turbines))
}

// rules reads how the data checks treat each variable. What is read of some
// turbines can't be held against the source's digest of all.
func (d *dayLoad) rules(ctx context.Context, q *targetdb.Queries, turbines []sourceapi.Turbine) (check.Rules, error) {
	rows, err := q.ReadCheckRules(ctx)
	if err != nil {
		return check.Rules{}, fmt.Errorf("read the rules of data checks: %w", err)
	}
	none := new(math.NaN())
	set := make([]checkrule.Rule, 0, len(rows)+1)
	for _, row := range rows {
		set = append(set, checkrule.Rule{
			Check: row.CheckName, Variable: row.Variable, Severity: row.Severity,
			Low: *cmp.Or(row.Low, none), High: *cmp.Or(row.High, none),
		})
	}
	if !d.turbines.All() {
		set = append(set, checkrule.Rule{Check: string(check.Digest), Severity: enum.SeverityOff})
	}
	made := check.NewRules(set)
	made.Until = d.now().Truncate(window.Width) // Of a window that is not over the rest may come.
	made.Turbines = make(map[int32]check.Turbine, len(turbines))
	for _, t := range turbines {
		made.Turbines[t.Id] = extract.Logging(t, d.day)
	}
	return made, nil
}

// unchanged is the result of a day of which nothing has changed since the ledger's entry
// was written; nil when something may have. Both digests must match, because somebody may
// have emptied data by hand. A day whose last load began before its end is judged anew.
// While the day runs, turbines that have not changed are taken out of those that are
// read.
func (d *dayLoad) unchanged(ctx context.Context, c *ledger.Claim, l *load.Loader, source *sourceTurbines, digests func() ([]extract.Digest, error)) (*ledger.Result, error) {
	if kept, err := keptOf(c.Entry, digests); err != nil || kept != nil || !c.Loaded() {
		return kept, err
	}
	entry := &c.Entry
	held, err := l.Digest(ctx)
	if err != nil || held.Digest != *entry.TargetDigest || held.Rows != entry.Rows {
		return nil, err
	}
	turbines, err := digests()
	switch {
	case errors.Is(err, extract.ErrNoDigests):
		return nil, nil //nolint:nilnil // No result is an answer here.
	case err != nil:
		return nil, err
	}
	var now extract.DayDigest
	for _, t := range turbines {
		now.Add(t)
	}
	judgedWhole := entry.HeldStartedAt != nil && !entry.HeldStartedAt.Before(d.end()) || !d.over()
	if now == (extract.DayDigest{Hash: *entry.SourceDigest, Samples: *entry.Samples}) && source.expected == *entry.Expected && judgedWhole {
		return &ledger.Result{
			Outcome: enum.OutcomeDone, Unchanged: true, Samples: *entry.Samples, Expected: source.expected, Windows: *entry.Windows,
			SourceDigest: entry.SourceDigest, Rows: entry.Rows, TargetDigest: *entry.TargetDigest,
		}, nil
	}
	if !d.over() {
		return nil, d.leaveUnread(ctx, l, source, turbines)
	}
	return nil, nil //nolint:nilnil // As above.
}

// keptOf is the result of a day whose samples were pruned from the source, which has none
// of them: all stays, whatever the attempt may do. It is nil for any other day.
func keptOf(entry targetdb.ClaimPartitionRow, digests func() ([]extract.Digest, error)) (*ledger.Result, error) {
	if entry.SourcePrunedAt == nil || entry.Outcome == nil {
		return nil, nil //nolint:nilnil // No result is an answer here.
	}
	switch sampled, err := digests(); {
	case errors.Is(err, extract.ErrNoDigests), err == nil && len(sampled) > 0:
		return nil, nil //nolint:nilnil // As above.
	case err != nil:
		return nil, err
	}
	none := new(int64)
	return &ledger.Result{
		Outcome: *entry.Outcome, Unchanged: true, SourcePruned: true,
		Samples: *cmp.Or(entry.Samples, none), Expected: *cmp.Or(entry.Expected, none), Windows: *cmp.Or(entry.Windows, none),
		SourceDigest: entry.SourceDigest, Rows: entry.Rows, TargetDigest: *cmp.Or(entry.TargetDigest, none),
	}, nil
}

func (d *dayLoad) over() bool { return !d.now().Before(d.end()) }

func (d *dayLoad) end() time.Time { return d.day.AddDate(0, 0, 1) }

// leaveUnread takes the turbines out of those to be read whose samples are the ones of
// the last load, which has noted nothing but missing samples of them.
func (d *dayLoad) leaveUnread(ctx context.Context, l *load.Loader, source *sourceTurbines, now []extract.Digest) error {
	loaded, err := l.TurbineDigests(ctx)
	if err != nil {
		return err
	}
	digests := make(map[int32]extract.Digest, len(now))
	for _, n := range now {
		digests[n.Turbine] = n
	}
	same := map[int32]bool{}
	for _, t := range loaded {
		n, sampled := digests[t.TurbineID]
		_, wanted := slices.BinarySearch(source.wanted, t.TurbineID)
		if sampled && wanted && n.Hash == t.SourceDigest && n.Samples == t.Samples {
			same[t.TurbineID] = true
			source.unread = append(source.unread, t)
		}
	}
	source.wanted = slices.DeleteFunc(source.wanted, func(id int32) bool { return same[id] })
	return nil
}

// transfer extracts the day's samples and loads them within a transaction; most is the
// most values that the target ever held of the day. An error forbids to commit it.
func (d *dayLoad) transfer(ctx context.Context, l *load.Loader, rules check.Rules, source sourceTurbines, most int64) (*dayTotals, error) {
	t, err := d.stream(ctx, l, source, rules)
	if err != nil {
		return nil, err
	}
	if d.turbines.All() {
		swept, err := l.Sweep(ctx, source.all)
		if err != nil {
			return nil, err
		}
		t.Add(swept)
	}
	if t.held, err = l.Digest(ctx); err != nil {
		return nil, err
	}
	if d.dryRun {
		t.held.Rows += t.Inserted - t.Deleted
	}
	t.kept = l.Kept()
	if err := d.judge(t, most); err != nil {
		return nil, err
	}
	logged, err := l.Logged(ctx, source.all, t.checks.Silent())
	if err != nil {
		return nil, err
	}
	for i, silent := range t.checks.Silent() {
		if silent && !logged[i] {
			t.checks.Unlogged(i)
		}
	}
	t.found = t.checks.Report()
	return t, t.found.Blocked()
}

// stream extracts the day group by group while what has arrived is loaded. The error is
// of the side that failed first.
func (d *dayLoad) stream(ctx context.Context, l *load.Loader, source sourceTurbines, rules check.Rules) (*dayTotals, error) {
	t := &dayTotals{expected: source.expected, checks: check.NewDay(rules, d.day), clean: targetdb.ReplaceTurbineDigestsParams{TurbineIds: []int32{}}}
	for _, u := range source.unread {
		t.countUnread(u)
	}
	work, ctx := errgroup.WithContext(ctx)
	groups := make(chan *extract.Group) // one is loaded, the next one waits
	work.Go(func() error {
		defer close(groups)
		defer d.extracted()
		for g, err := range d.source.Groups(ctx, d.day, source.wanted, d.group, rules) {
			if err != nil {
				return err
			}
			t.count(g)
			if len(t.read)+len(t.broken) == len(source.wanted) {
				work.Go(func() error { return d.checkDigest(ctx, t, rules) }) // while the last group is loaded
			}
			select {
			case groups <- g:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	work.Go(func() (err error) {
		t.Written, err = l.Load(ctx, groups)
		return err
	})
	return t, work.Wait()
}

// checkDigest holds what was read of a whole day against the source's digest of now,
// if that is to be checked. A source that can't tell is no reason to give up what
// it has sent: the error is of ctx alone.
func (d *dayLoad) checkDigest(ctx context.Context, t *dayTotals, rules check.Rules) error {
	if len(t.broken) > 0 || !rules.Made(check.Digest, "") {
		return nil
	}
	switch since := d.now().Sub(d.end()); {
	case since > d.late:
		t.checks.Compare(t.digest, nil, fmt.Sprintf("the day ended more than %d days ago", d.late/(24*time.Hour)))
		return nil
	case since < 0:
		t.checks.Compare(t.digest, nil, "the day is not over, and the source gets more of it")
		return nil
	}
	now, err := d.source.Once().Day(ctx, d.day)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, extract.ErrNoDigests):
		t.checks.Compare(t.digest, nil, "the source has no digests")
	case err != nil:
		t.checks.Compare(t.digest, nil, err.Error())
	default:
		t.checks.Compare(t.digest, &now.Hash, "")
	}
	return nil
}

// judge decides what of an attempt may be committed. An error is of a day of which
// nothing may be.
func (d *dayLoad) judge(t *dayTotals, most int64) error {
	t.partial = t.brokenError()
	if !d.order.AllowEmpty {
		if e := t.refused(most); e != nil {
			d.result.Refused = e.Removed()
			if t.partial == nil {
				t.partial = e
			} else {
				t.partial = fmt.Errorf("%w; %w", t.partial, e)
			}
			if len(e.Turbines) == 0 {
				d.result.Samples, d.result.Rows = t.samples, t.held.Rows-t.Inserted+t.Deleted
				return t.partial
			}
		}
	}
	mayBeEmpty := d.order.AllowEmpty || d.mayBeEmpty
	switch {
	case t.samples > 0, mayBeEmpty && len(t.read) > 0, mayBeEmpty && len(t.broken) == 0:
		return nil
	case len(t.broken) > 0:
		return t.brokenError()
	}
	return ErrNoSamples
}
