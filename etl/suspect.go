package etl

import (
	"fmt"
	"time"
)

// Retention is for how many days the source keeps its samples; 0 is for ever.
type Retention int

// Since is from when on the source is believed, if that is bounded: the first of
// the days that are at now, as a whole, within the last r times 24 hours. Of an
// older one a part may be gone already.
func (r Retention) Since(now time.Time) (day time.Time, bounded bool) {
	if r == 0 {
		return time.Time{}, false
	}
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-int(r)), true
}

// Clip is the later of from and the first day that the source is believed of.
func (r Retention) Clip(from, now time.Time) time.Time {
	if since, bounded := r.Since(now); bounded && from.Before(since) {
		return since
	}
	return from
}

// Look is what a look at the source found, of days that the ledger knows.
type Look struct {
	// Stale are the days that are loaded from samples which the source has changed,
	// added to or lost since, ascending; never nil.
	Stale []time.Time
	// Loaded are the days that the target has values of, ascending, with what the
	// source has of each.
	Loaded []SeenDay
	// Turbines is how many the source lists.
	Turbines int
}

// SeenDay is a loaded day and what the source has of it now.
type SeenDay struct {
	Day    time.Time
	Loaded int64 // samples that it was loaded from
	Now    int64 // samples that the source has
	Stale  bool
}

// manyGone is how many loaded days have to be gone from the source at once for it
// to be in doubt, rather than they.
const manyGone = 2

const lookAtTheSource = "find out whether SOURCE_API_URL is right and its database whole; if the source keeps its samples for some days only, say so by SOURCE_RETENTION_DAYS"

// Suspect tells why the source should not be believed, "" if it should. Days that
// somebody has been told of, as they failed, do not make it suspect again.
func (l Look) Suspect() string {
	var gone []time.Time
	news := false // of days that are gone
	var first *SeenDay
	for i, d := range l.Loaded {
		switch {
		case d.Now == 0:
			gone = append(gone, d.Day)
			news = news || d.Stale
		case first == nil:
			first = &l.Loaded[i]
		}
	}
	switch {
	case l.Turbines == 0 && len(l.Loaded) > 0:
		return fmt.Sprintf("the source lists no turbines, and %d days are loaded from it; %s", len(l.Loaded), lookAtTheSource)
	case news && len(gone) >= manyGone:
		return fmt.Sprintf("the source has no samples of %d days that are loaded, %s to %s; %s",
			len(gone), format(gone[0]), format(gone[len(gone)-1]), lookAtTheSource)
	case first != nil && len(gone) > 0 && gone[0].Before(first.Day) && first.Stale && first.Now < first.Loaded:
		return fmt.Sprintf("the source has %d of the %d samples that %s was loaded from, and none of %s before it; %s",
			first.Now, first.Loaded, format(first.Day), format(gone[0]), lookAtTheSource)
	}
	return ""
}
