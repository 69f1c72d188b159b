package etl

import (
	"cmp"
	"fmt"
	"strings"
)

// What an attempt may remove by itself. A removal is net: a value that changes is
// not removed, nor is one whose place another takes.
const (
	// keptShare is the share of its values that a day, or a turbine's day, has to
	// keep: one half.
	keptShare = 2
	// fewValues may be removed whatever their share, unless nothing is left: ten
	// windows of fifteen values, so that a few readings can be deleted from a day
	// that has few.
	fewValues = 150
)

// tooMuch tells whether to go from before values to after is more than an attempt
// may do by itself; before is the most that there ever was.
func tooMuch(before, after int64) bool {
	return before > 0 && (after == 0 || before-after > fewValues && after*keptShare < before)
}

// Loss is what a turbine's day would lose.
type Loss struct {
	Turbine       int32
	Before, After int64 // values
}

// EraseError is the refusal to remove values that the target holds of a day. It
// stays refused until the source has the samples again, or a request allows it.
type EraseError struct {
	// Turbines keep what they have; the day's others are loaded. None when the day
	// as a whole is refused.
	Turbines []Loss
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
	var b strings.Builder
	switch {
	case len(e.Turbines) > 0:
		e.spellOut(&b)
	case e.NoSamples:
		fmt.Fprintf(&b, "%s: %d of the %d values that are loaded would be removed, so nothing was changed", ErrNoSamples, e.Before-e.After, e.Before)
	case e.Most > e.Before:
		fmt.Fprintf(&b, "%d of %d values would be removed, which leaves %d of the %d that the day has had, less than half, so nothing was changed", e.Before-e.After, e.Before, e.After, e.Most)
	default:
		fmt.Fprintf(&b, "%d of %d values would be removed, more than half, so nothing was changed", e.Before-e.After, e.Before)
	}
	b.WriteString("; find out why the source no longer has these samples, or allow the removal by --allow-empty (allow_empty in POST /runs)")
	return b.String()
}

// spellOut names the turbines.
func (e *EraseError) spellOut(b *strings.Builder) {
	for i, l := range e.Turbines {
		if i == named {
			fmt.Fprintf(b, "; and %d more turbines, %d values in all", len(e.Turbines)-named, e.Removed())
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(b, "turbine %d would lose %d of its %d values and keeps them", l.Turbine, l.Before-l.After, l.Before)
	}
}

// Unwrap says that there were no samples, if so.
func (e *EraseError) Unwrap() error {
	if e.NoSamples {
		return ErrNoSamples
	}
	return nil
}

// guard judges what an attempt for r has done within its transaction. The day holds
// rows values now, with those of the turbines that keep theirs, and most is the most
// that it ever held. whole is the error of a day of which
// nothing may be committed, part that of one whose other turbines may be.
func (t *tally) guard(r Request, rows, most int64) (whole, part error) {
	if r.AllowEmpty {
		return nil, nil
	}
	e := &EraseError{Before: rows - t.inserted + t.deleted, After: rows, NoSamples: t.samples == 0}
	others := rows // of turbines that don't keep theirs
	for _, l := range t.kept {
		e.After -= l.Before - l.After
		others -= l.Before
	}
	e.Most = max(most, e.Before)
	switch {
	case len(t.kept) > 0 && (e.NoSamples || others == 0), rows < e.Before && tooMuch(e.Most, rows):
		return e, nil
	case len(t.kept) > 0:
		e.Turbines = t.kept
		return nil, e
	}
	return nil, nil
}

// join is errors.Join in one line.
func join(a, b error) error {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return fmt.Errorf("%w; %w", a, b)
}
