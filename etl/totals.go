package etl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/etl/load"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

type dayTotals struct {
	load.Written

	expected, samples, windows int64
	digest                     int64   // of the samples
	read                       []int32 // turbines
	broken                     []extract.BrokenTurbine
	kept                       []load.Loss                          // turbines that keep what the target has of them
	held                       targetdb.DigestValuesRow             // what the target holds now
	partial                    error                                // of a day some of whose turbines are broken, or keep what they had
	clean                      targetdb.ReplaceTurbineDigestsParams // turbines that need not be read again while they stay the same
	checks                     *check.Day
	found                      check.Report
}

func (t *dayTotals) count(g *extract.Group) {
	t.read = append(t.read, g.Read...)
	t.samples += g.Samples
	t.digest ^= g.Digest
	t.broken = append(t.broken, g.Broken...)
	for _, s := range g.Series {
		t.windows += int64(len(s.Windows))
		if i := slices.IndexFunc(g.Checked, func(c check.Series) bool { return c.Turbine == s.Turbine }); i >= 0 && g.Checked[i].Clean() {
			t.keepClean(targetdb.TurbineDigest{TurbineID: s.Turbine, Samples: s.Samples, Windows: int64(len(s.Windows)), SourceDigest: s.Digest})
		}
	}
	checked := g.Checked
	for _, id := range g.Read {
		if len(checked) > 0 && checked[0].Turbine == id {
			t.checks.Add(checked[0])
			checked = checked[1:]
		} else {
			t.checks.Add(check.Series{Turbine: id})
		}
	}
	for _, b := range g.Broken {
		if errors.Is(b.Err, window.ErrOrder) {
			t.checks.Disorder(b.ID, b.Err)
		} else {
			t.checks.Absent()
		}
	}
}

// countUnread adds a turbine in that was not read again, as nothing has changed.
func (t *dayTotals) countUnread(u targetdb.TurbineDigest) {
	t.samples += u.Samples
	t.windows += u.Windows
	t.digest ^= u.SourceDigest
	t.checks.AddUnread(u.TurbineID, int(u.Samples))
	t.keepClean(u)
}

func (t *dayTotals) keepClean(u targetdb.TurbineDigest) {
	t.clean.TurbineIds = append(t.clean.TurbineIds, u.TurbineID)
	t.clean.Samples = append(t.clean.Samples, u.Samples)
	t.clean.Windows = append(t.clean.Windows, u.Windows)
	t.clean.SourceDigests = append(t.clean.SourceDigests, u.SourceDigest)
}

func (t *dayTotals) brokenError() error {
	if len(t.broken) == 0 {
		return nil
	}
	return &extract.BrokenError{Turbines: t.broken}
}

// refused is the error of what the attempt has removed, or would have, and may not; nil
// if it may. Most is the most values that the target ever held of the day.
func (t *dayTotals) refused(most int64) *EraseError {
	e := &EraseError{Before: t.held.Rows - t.Inserted + t.Deleted, After: t.held.Rows, NoSamples: t.samples == 0}
	others := t.held.Rows // of turbines that don't keep theirs
	for _, l := range t.kept {
		e.After -= l.Before - l.After
		others -= l.Before
	}
	e.Most = max(most, e.Before)
	switch {
	case len(t.kept) > 0 && (e.NoSamples || others == 0), t.held.Rows < e.Before && load.TooMuch(e.Most, t.held.Rows):
		return e
	case len(t.kept) > 0:
		e.Turbines = t.kept
		return e
	}
	return nil
}

func (t *dayTotals) keep() []int32 {
	ids := []int32{}
	for _, b := range t.broken {
		ids = append(ids, b.ID)
	}
	for _, l := range t.kept {
		ids = append(ids, l.Turbine)
	}
	return ids
}

func (t *dayTotals) outcome() enum.Outcome {
	switch {
	case t.partial != nil:
		return enum.OutcomeFailed
	case t.samples == 0:
		return enum.OutcomeEmpty
	}
	return enum.OutcomeDone
}

// ledgerResult is what the ledger records of an attempt at all of a day's turbines.
func (t *dayTotals) ledgerResult() ledger.Result {
	return ledger.Result{
		Outcome: t.outcome(), Err: t.partial, Samples: t.samples, Expected: t.expected, Windows: t.windows,
		Inserted: t.Inserted, Updated: t.Updated, Deleted: t.Deleted,
		Rows: t.held.Rows, TargetDigest: t.held.Digest, SourceDigest: &t.digest,
	}
}

func (t *dayTotals) warn(ctx context.Context, log *slog.Logger, day time.Time) {
	if now := time.Now(); t.samples > 0 && !dates.Believable(day, now) {
		log.WarnContext(ctx, "the samples of this day come from a clock that is wrong, unless they are meant", "day", format(day),
			"samples", t.samples, "believed", dates.Believed(now))
	}
	for _, r := range t.found.Results {
		if r.Status != enum.CheckStatusPass {
			log.WarnContext(ctx, "a data check did not pass", "day", format(day), "check", string(r.Check),
				"variable", r.Variable, "status", string(r.Status), "faults", r.Faults, "detail", r.Detail)
		}
	}
}

// ErrNoSamples is wrapped when the source holds no samples of a day.
var ErrNoSamples = errors.New("the source has no samples of this day")

// EraseError is the refusal to remove values that the target holds of a day. It
// stays refused until the source has the samples again, or a request allows it.
type EraseError struct {
	// Turbines keep what they have; the day's others are loaded. None when the day
	// as a whole is refused.
	Turbines []load.Loss
	// Before and After are the values of the day as a whole; Most is the most that
	// it ever had.
	Before, After, Most int64
	// NoSamples says that the source has no samples at all of what was asked for.
	NoSamples bool
}

// Removed is how many values would have been removed.
func (e *EraseError) Removed() int64 {
	if len(e.Turbines) == 0 {
		return e.Before - e.After
	}
	removed := int64(0)
	for _, l := range e.Turbines {
		removed += l.Before - l.After
	}
	return removed
}

func (e *EraseError) Error() string {
	text := fmt.Sprintf("%d of %d values would be removed, more than half, so nothing was changed", e.Removed(), e.Before)
	switch {
	case len(e.Turbines) > 0:
		text = e.turbines()
	case e.NoSamples:
		text = fmt.Sprintf("%s: %d of the %d values that are loaded would be removed, so nothing was changed", ErrNoSamples, e.Removed(), e.Before)
	case e.Most > e.Before:
		text = fmt.Sprintf("%d of %d values would be removed, which leaves %d of the %d that the day has had, less than half, so nothing was changed", e.Removed(), e.Before, e.After, e.Most)
	}
	return text + "; find out why the source no longer has these samples, or allow the removal by --allow-empty (allow_empty in POST /runs)"
}

func (e *EraseError) turbines() string {
	const most = 10
	var named []string
	for _, l := range e.Turbines[:min(len(e.Turbines), most)] {
		named = append(named, fmt.Sprintf("turbine %d would lose %d of its %d values and keeps them", l.Turbine, l.Before-l.After, l.Before))
	}
	if more := len(e.Turbines) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more turbines, %d values in all", more, e.Removed()))
	}
	return strings.Join(named, "; ")
}

// Unwrap says that there were no samples, if so.
func (e *EraseError) Unwrap() error {
	if e.NoSamples {
		return ErrNoSamples
	}
	return nil
}
