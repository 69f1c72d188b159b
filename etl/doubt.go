package etl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/checkrule"
)

// rules reads how the data checks treat each variable. What is read of some
// turbines can't be held against the source's digest of all.
func (j *Job) rules(ctx context.Context, r Request) (check.Rules, error) {
	rows, err := targetdb.New(j.upkeep).ReadCheckRules(ctx)
	if err != nil {
		return check.Rules{}, fmt.Errorf("read the rules of data checks: %w", err)
	}
	set := make([]checkrule.Rule, 0, len(rows)+1)
	for _, row := range rows {
		set = append(set, checkrule.Rule{
			Check: row.CheckName, Variable: row.Variable, Severity: row.Severity,
			Low: limit(row.Low), High: limit(row.High),
		})
	}
	if !r.Turbines.All() {
		set = append(set, checkrule.Rule{Check: string(check.Digest), Severity: enum.SeverityOff})
	}
	return check.NewRules(set), nil
}

func limit(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// check adds a group to what is known of the day.
func (t *tally) check(g group) {
	t.reached = append(t.reached, g.read...)
	checked := g.checked
	for _, id := range g.read {
		if len(checked) > 0 && checked[0].Turbine == id {
			t.checks.Add(checked[0])
			checked = checked[1:]
		} else {
			t.checks.Add(check.Series{Turbine: id})
		}
	}
	for _, b := range g.broken {
		if errors.Is(b.Err, window.ErrOrder) {
			t.checks.Disorder(b.ID, b.Err)
		} else {
			t.checks.Absent()
		}
	}
}

// judge ends the checks. The error is a *check.BlockedError when one forbids the
// load.
func (t *tally) judge() error {
	t.found = t.checks.Report()
	return t.found.Blocked()
}

// compare holds what was read of a whole day against the source's digest of now,
// if that is to be checked. A source that can't tell is no reason to give up what
// it has told: the error is of ctx alone.
func (j *Job) compare(ctx context.Context, t *tally, day time.Time, rules check.Rules) error {
	if len(t.broken) > 0 || !rules.Made(check.Digest, "") {
		return nil
	}
	if ended := day.AddDate(0, 0, 1); time.Since(ended) > j.late {
		t.checks.Compare(t.digest, nil, fmt.Sprintf("the day ended more than %d days ago", j.late/(24*time.Hour)))
		return nil
	}
	d, err := digest(ctx, j.source.Once(), day)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, extract.ErrNoDigests):
		t.checks.Compare(t.digest, nil, "the source has no digests")
	case err != nil:
		t.checks.Compare(t.digest, nil, err.Error())
	default:
		t.checks.Compare(t.digest, &d.digest, "")
	}
	return nil
}

// record writes what the checks found, in the load's transaction. Turbines that
// keep their old values keep their flags.
func (c *claim) record(ctx context.Context, tx pgx.Tx, t *tally) error {
	q := targetdb.New(tx)
	start, stop := c.day, c.day.AddDate(0, 0, 1)
	if c.subset {
		if _, err := q.DeleteFlags(ctx, targetdb.DeleteFlagsParams{Start: start, Stop: stop, TurbineIds: t.loaded()}); err != nil {
			return fmt.Errorf("remove flags: %w", err)
		}
	} else {
		results := targetdb.ReplaceCheckResultsParams{Day: c.day, Token: c.token, Start: start, Stop: stop, Kept: []int32{}}
		for _, b := range t.broken {
			results.Kept = append(results.Kept, b.ID)
		}
		for _, l := range t.kept {
			results.Kept = append(results.Kept, l.Turbine)
		}
		for _, r := range t.found.Results {
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
	flags := slices.DeleteFunc(t.found.Flags, func(f check.Flag) bool { return t.keeps(f.Turbine) })
	for part := range slices.Chunk(flags, flagsAtOnce) {
		if err := addFlags(ctx, q, part); err != nil {
			return err
		}
	}
	return nil
}

// keeps tells whether a turbine was read and left as it was.
func (t *tally) keeps(turbine int32) bool {
	_, found := slices.BinarySearchFunc(t.kept, turbine, func(l Loss, id int32) int { return cmp.Compare(l.Turbine, id) })
	return found
}

// loaded are the turbines whose values are those of what was read.
func (t *tally) loaded() []int32 { return slices.DeleteFunc(slices.Clone(t.reached), t.keeps) }

// flagsAtOnce bounds the memory of a statement.
const flagsAtOnce = 10_000

func addFlags(ctx context.Context, q *targetdb.Queries, flags []check.Flag) error {
	var p targetdb.AddFlagsParams
	for _, f := range flags {
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
	return nil
}

// tell logs what is to be doubted.
func (t *tally) tell(ctx context.Context, log *slog.Logger, day time.Time) {
	for _, r := range t.found.Results {
		if r.Status != enum.CheckStatusPass {
			log.WarnContext(ctx, "a data check points at something", "day", format(day), "check", string(r.Check),
				"variable", r.Variable, "status", string(r.Status), "faults", r.Faults, "detail", r.Detail)
		}
	}
}
