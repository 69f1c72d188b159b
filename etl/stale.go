package etl

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/timestamp"
)

// digestLines is how many turbines' days one request may have digested: 29
// million samples, some ten seconds of the source's database. Nothing of the
// answer arrives before that, so it has to stay well below stallTimeout.
const digestLines = 20_000

// ErrNoDigests is returned when the source API can't tell which days have
// changed, as an older one.
var ErrNoDigests = errors.New("the source API has no GET /data/digest")

// Loaded is the first and the last of the days from first to last that the
// ledger says are loaded; false if none is.
func (j *Job) Loaded(ctx context.Context, first, last time.Time) (Span, bool, error) {
	days, err := targetdb.New(j.target).LoadedRange(ctx, targetdb.LoadedRangeParams{FirstDay: first, LastDay: last})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Span{}, false, nil
	case err != nil:
		return Span{}, false, fmt.Errorf("loaded days of the ledger: %w", explain(err))
	}
	return Span{days.FirstDay, days.LastDay}, true, nil
}

// Stale returns the stale days of Look, to be a request's Days.
func (j *Job) Stale(ctx context.Context, r Request) ([]time.Time, error) {
	look, err := j.Look(ctx, r)
	return look.Stale, err
}

// Look asks the source what it has of the days from r.From to r.To, and holds it
// against the ledger. A day that was never loaded, or failed, is not stale.
//
// Unless it is a dry run, what the source holds now is recorded in the ledger, as
// source_digest_seen of each day. Memory grows with the days alone.
func (j *Job) Look(ctx context.Context, r Request) (Look, error) {
	if err := r.check(); err != nil {
		return Look{}, err
	}
	digests, turbines, err := j.source.allDigests(ctx, r.From, r.To, nil)
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", err)
	}
	seen := targetdb.ListStaleParams{Days: daysFrom(r.From, r.To), Digests: make([]int64, len(digests))}
	for i, d := range digests {
		seen.Digests[i] = d.digest
	}
	q := targetdb.New(j.target)
	stale, err := q.ListStale(ctx, seen)
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", explain(err))
	}
	loaded, err := q.ListLoaded(ctx, targetdb.ListLoadedParams{FirstDay: r.From, LastDay: r.To})
	if err != nil {
		return Look{}, fmt.Errorf("look for loaded days: %w", explain(err))
	}
	if !r.DryRun {
		if _, err := q.SeeSource(ctx, targetdb.SeeSourceParams(seen)); err != nil {
			return Look{}, fmt.Errorf("record the source's digests: %w", err)
		}
	}
	look := Look{Stale: append([]time.Time{}, stale...), Loaded: make([]SeenDay, len(loaded)), Turbines: turbines}
	for i, l := range loaded {
		_, isStale := slices.BinarySearchFunc(stale, l.Day, time.Time.Compare)
		now := digests[int(l.Day.Sub(r.From)/(24*time.Hour))].samples
		look.Loaded[i] = SeenDay{Day: l.Day, Loaded: l.Samples, Now: now, Stale: isStale}
	}
	return look, nil
}

// Samples counts those that the source has of a day, over all turbines. The source
// is asked once: somebody waits for the answer.
func (j *Job) Samples(ctx context.Context, day time.Time) (int64, error) {
	once := *j.source
	once.retry.Attempts = 1
	d, err := once.digest(ctx, day)
	switch {
	case err != nil:
		return 0, err
	case d == nil:
		return 0, ErrNoDigests
	}
	return d.samples, nil
}

// allDigests is digests over any range: one request, or for a fleet in parts. It
// tells how many turbines there are.
func (s *source) allDigests(ctx context.Context, first, last time.Time, each func(sourceapi.Digest)) (all []dayDigest, turbines int, err error) {
	ids, err := s.turbines(ctx)
	if err != nil {
		return nil, 0, err
	}
	most := max(digestLines/max(len(ids), 1), 1)
	for from := first; !from.After(last); from = from.AddDate(0, 0, most) {
		to := from.AddDate(0, 0, most-1)
		if to.After(last) {
			to = last
		}
		part, err := s.digests(ctx, from, to, each)
		switch {
		case err != nil:
			return nil, 0, err
		case part == nil:
			return nil, 0, ErrNoDigests
		}
		all = append(all, part...)
	}
	return all, len(ids), nil
}

// dayDigest is what the source says of a whole day, without its rows.
type dayDigest struct{ digest, samples int64 }

// digests asks for the digest of each day from first to last over all turbines;
// nil when the API has none to give, as an older one. each, if any, is called with
// every line, and again with those of an answer that broke off.
func (s *source) digests(ctx context.Context, first, last time.Time, each func(sourceapi.Digest)) ([]dayDigest, error) {
	days, err := try(ctx, s.retry, s.log, func() ([]dayDigest, error) {
		response, err := s.client.GetDataDigest(ctx, &sourceapi.GetDataDigestParams{
			Start: timestamp.New(first), End: timestamp.New(endOf(last)),
		}, identity("application/json"))
		if err != nil {
			return nil, away(ctx, err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode == http.StatusNotFound {
			return nil, nil // there is no digest, which is no error
		}
		if err := s.expect(response, "application/json"); err != nil {
			return nil, err
		}
		return readDigests(response, first, last, each)
	})
	if err != nil {
		return nil, fmt.Errorf("digest of the source: %w", err)
	}
	return days, nil
}

// readDigests adds up the lines of each day as they arrive: a day without lines
// has no samples. It believes them when the trailers agree.
func readDigests(response *http.Response, first, last time.Time, each func(sourceapi.Digest)) ([]dayDigest, error) {
	days := make([]dayDigest, len(daysFrom(first, last)))
	hash := sha256.New()
	body := io.TeeReader(io.LimitReader(response.Body, maxAnswer), hash)
	in := json.NewDecoder(body)
	if err := expect(in, json.Delim('[')); err != nil {
		return nil, err
	}
	lines := 0
	for ; in.More(); lines++ {
		var line sourceapi.Digest
		if err := in.Decode(&line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errBroken, lines+1, err)
		}
		digest, err := strconv.ParseUint(line.Digest, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: digest: %w", errBroken, lines+1, err)
		}
		n := int(line.Day.Sub(first) / (24 * time.Hour))
		if line.Day.Before(first) || n >= len(days) {
			return nil, fmt.Errorf("%w: line %d: day %s was not asked for", errBroken, lines+1, line.Day)
		}
		days[n].digest ^= int64(digest)
		days[n].samples += line.Samples
		if each != nil {
			each(line)
		}
	}
	if err := expect(in, json.Delim(']')); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, body); err != nil { // to have the trailers
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if err := verify(response, hash); err != nil {
		return nil, err
	}
	if rows := apiclient.Header(response, "Delfos-Rows"); rows != strconv.Itoa(lines) {
		return nil, fmt.Errorf("%w: %d lines, Delfos-Rows is %q", errBroken, lines, rows)
	}
	return days, nil
}
