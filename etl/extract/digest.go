package extract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourceclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/timestamp"
)

// ErrNoDigests is returned when the source API can't tell which days have
// changed, as an older one.
var ErrNoDigests = errors.New("the source API has no GET /data/digest")

// Digest is what the source says of a turbine's day, without its rows.
type Digest struct {
	Day     time.Time // at UTC midnight
	Turbine int32
	Samples int64
	Hash    int64 // the exclusive or of its samples' hashes
}

// Digests lists the digests of the days from first to last, both inclusive: of
// every turbine that has samples of the day. It tries again by itself. An older
// API has none, which is ErrNoDigests.
func (c *Client) Digests(ctx context.Context, first, last time.Time) ([]Digest, error) {
	digests, err := Try(ctx, c, func() ([]Digest, error) {
		a, err := c.verified(ctx, "application/json", 0, func(accept sourceclient.RequestEditorFn) (*http.Response, error) {
			return c.api.GetDataDigest(ctx, &sourceapi.GetDataDigestParams{Start: timestamp.New(first), End: new(timestamp.New(EndOf(last)))}, accept)
		})
		if err != nil {
			return nil, err
		}
		defer c.free(a)
		return a.digests(first, last)
	})
	status, ok := errors.AsType[*StatusError](err)
	switch {
	case ok && status.Code == http.StatusNotFound:
		return nil, ErrNoDigests
	case err != nil:
		return nil, fmt.Errorf("digest of the source: %w", err)
	}
	return digests, nil
}

func (a *answer) digests(first, last time.Time) ([]Digest, error) {
	var lines []sourceapi.Digest
	if err := json.Unmarshal(a.body.Bytes(), &lines); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	digests := make([]Digest, len(lines))
	for i, line := range lines {
		hash, err := strconv.ParseUint(line.Digest, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: digest: %w", ErrBroken, i+1, err)
		}
		if line.Day.Before(first) || line.Day.After(last) {
			return nil, fmt.Errorf("%w: line %d: day %s was not asked for", ErrBroken, i+1, line.Day)
		}
		digests[i] = Digest{Day: line.Day.Time, Turbine: line.TurbineId, Samples: line.Samples, Hash: int64(hash)}
	}
	return digests, a.counted(len(lines))
}

// DayDigest is what the source says of a whole day over all turbines, without its
// rows. Of a day without samples it is zero.
type DayDigest struct{ Hash, Samples int64 }

// Add takes a turbine's digest in.
func (d *DayDigest) Add(turbine Digest) {
	d.Hash ^= turbine.Hash
	d.Samples += turbine.Samples
}

// Day returns the digest of a day. It tries again by itself.
func (c *Client) Day(ctx context.Context, day time.Time) (sum DayDigest, err error) {
	turbines, err := c.Digests(ctx, day, day)
	for _, d := range turbines {
		sum.Add(d)
	}
	return sum, err
}

// digestsAtOnce is how many turbines' days one request may have digested: 29 million
// samples, some ten seconds of the source's database, well below the minute after which a
// stalled request is ended.
const digestsAtOnce = 20_000

// DigestsInParts yields the digests of a range of any length, of which a fleet of so
// many turbines takes several requests.
func (c *Client) DigestsInParts(ctx context.Context, first, last time.Time, turbines int) iter.Seq2[[]Digest, error] {
	return func(yield func([]Digest, error) bool) {
		days := max(digestsAtOnce/max(turbines, 1), 1)
		for from := first; !from.After(last); from = from.AddDate(0, 0, days) {
			digests, err := c.Digests(ctx, from, dates.Earlier(from.AddDate(0, 0, days-1), last))
			if !yield(digests, err) || err != nil {
				return
			}
		}
	}
}

// Changes is what the source says has changed since it was asked before.
type Changes struct {
	// Complete says that Days are all days that have; otherwise any day may have.
	Complete bool
	Days     []time.Time // ascending
	Cursor   string      // what to ask with next time
}

// Changes asks, once, what has changed since the answer with a cursor; "" is none. An
// older API answers with an error.
func (c *Client) Changes(ctx context.Context, since string) (Changes, error) {
	params := &sourceapi.GetDataChangesParams{}
	if since != "" {
		params.Since = &since
	}
	a, err := c.get(ctx, "application/json", 0, func(accept sourceclient.RequestEditorFn) (*http.Response, error) {
		return c.api.GetDataChanges(ctx, params, accept)
	})
	if err != nil {
		return Changes{}, fmt.Errorf("changes of the source: %w", err)
	}
	defer c.free(a)
	var found sourceapi.DataChanges
	if err := apiclient.Source().Decode(a.Response, a.body.Bytes(), &found); err != nil {
		return Changes{}, fmt.Errorf("changes of the source: %w", err)
	}
	changes := Changes{Complete: found.Complete, Days: make([]time.Time, len(found.Days)), Cursor: found.Cursor}
	for i, day := range found.Days {
		changes.Days[i] = day.Time
	}
	slices.SortFunc(changes.Days, time.Time.Compare)
	return changes, nil
}
