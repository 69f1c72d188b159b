package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/pgrow"
)

const (
	// DefaultGroup is how many turbines one request asks for. A group is
	// verified by its trailers before any of it is decoded, so it bounds the
	// memory too: 32 turbines' day is 1.7 MB of Arrow.
	DefaultGroup = 32
	// maxFailures is how many requests in a row may fail for good before a day is
	// given up, because then the cause is not single turbines. It is reached when
	// every second of 32 turbines is broken, and evenly spread.
	maxFailures = 32
)

// Series is one turbine's windows of a day, in order of time.
type Series struct {
	Turbine int32
	Windows []window.Window
	Samples int64
	Digest  int64 // of the samples, as GET /data/digest has it
}

// Group is what became of a group of turbines. A turbine that was read and has no
// samples has no series, and nothing was checked of it.
type Group struct {
	Read    []int32 // turbines, ascending like those of the other lists
	Series  []Series
	Checked []check.Series
	Broken  []BrokenTurbine
	Samples int64
	Digest  int64 // of the samples, as GET /data/digest has it

	memory []*window.Aggregator // of the windows; Free gives it back
}

// Groups reads the day of some turbines, which ascend, and yields them as windows in
// groups of a size. It tries again by itself. An error is of the source as a whole.
func (c *Client) Groups(ctx context.Context, day time.Time, turbines []int32, size int, rules check.Rules) iter.Seq2[*Group, error] {
	return func(yield func(*Group, error) bool) {
		r := dayReader{client: c, day: day, rules: rules}
		for part := range slices.Chunk(turbines, size) {
			g, err := r.group(ctx, part)
			if !yield(g, err) || err != nil {
				return
			}
		}
	}
}

type dayReader struct {
	client   *Client
	day      time.Time
	rules    check.Rules // of the checks that are made while samples are read
	failures int         // requests that failed since one succeeded
}

// group reads a group, with retries. When it can't be had it is halved until the
// turbines that break it are known, the larger parts first.
func (r *dayReader) group(ctx context.Context, turbines []int32) (*Group, error) {
	whole := new(Group)
	client, hurried := r.client, *r.client // for a part of what has failed, with half the patience
	hurried.retry.Attempts = (hurried.retry.Attempts + 1) / 2
	for parts := [][]int32{turbines}; len(parts) > 0; parts = parts[1:] {
		part := parts[0]
		g, err := Try(ctx, client, func() (*Group, error) { return r.read(ctx, part) })
		client = &hurried
		if err == nil {
			r.failures = 0
			whole.add(g)
			continue
		}
		if r.failures++; r.failures == maxFailures {
			err = fmt.Errorf("%d requests in a row failed, the last with: %w", maxFailures, err)
		}
		_, unverified := errors.AsType[*UnverifiedError](err)
		half := len(part) / 2
		switch {
		case unverified && len(part) > 1:
			// A server that is asked over HTTP/1.0 tells of short answers alone. The
			// first turbine shows whether this is such a server.
			parts = append(parts, part[:1])
			parts = slices.AppendSeq(parts, slices.Chunk(part[1:], half))
		case r.failures == maxFailures, ctx.Err() != nil, OfAllTurbines(err):
			return nil, fmt.Errorf("extract %s: %w", rangeOf(part), err)
		case len(part) == 1:
			whole.Broken = append(whole.Broken, BrokenTurbine{part[0], err})
		default:
			parts = append(parts, part[:half], part[half:])
		}
	}
	whole.sort()
	return whole, nil
}

func (g *Group) add(part *Group) {
	g.Read = append(g.Read, part.Read...)
	g.Series = append(g.Series, part.Series...)
	g.Checked = append(g.Checked, part.Checked...)
	g.memory = append(g.memory, part.memory...)
	g.Samples += part.Samples
	g.Digest ^= part.Digest
}

// sort restores the order of data's key, because parts come in another one.
func (g *Group) sort() {
	slices.Sort(g.Read)
	slices.SortFunc(g.Series, func(a, b Series) int { return cmp.Compare(a.Turbine, b.Turbine) })
	slices.SortFunc(g.Checked, func(a, b check.Series) int { return cmp.Compare(a.Turbine, b.Turbine) })
	slices.SortFunc(g.Broken, func(a, b BrokenTurbine) int { return cmp.Compare(a.ID, b.ID) })
}

// OfAllTurbines reports whether an error is not of single turbines' samples: the
// source is away, refuses what was asked, or is not the source API.
func OfAllTurbines(err error) bool {
	status, refused := errors.AsType[*StatusError](err)
	_, foreign := errors.AsType[*apiclient.Error](err)
	return foreign || errors.Is(err, ErrAway) || refused && status.Code < http.StatusInternalServerError
}

func rangeOf(turbines []int32) string {
	first, last := turbines[0], turbines[len(turbines)-1]
	if first == last {
		return fmt.Sprintf("turbine %d", first)
	}
	return fmt.Sprintf("turbines %d to %d", first, last)
}

// read asks once for the samples of turbines and turns them into windows as they
// come. An error of a damaged answer wraps ErrBroken.
func (r *dayReader) read(ctx context.Context, turbines []int32) (*Group, error) {
	aggregator := takeAggregator()
	b := groupBuilder{
		Group:      &Group{Read: turbines, memory: []*window.Aggregator{aggregator}},
		aggregator: aggregator, checks: check.NewReader(r.rules, r.day), current: noTurbine,
	}
	for sample, err := range r.client.Samples(ctx, r.day, turbines) {
		if err == nil {
			err = b.addSample(&sample)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.Group, b.finishTurbine()
}

// noTurbine is not the id of any turbine.
const noTurbine = math.MinInt32

type groupBuilder struct {
	*Group

	aggregator *window.Aggregator
	checks     *check.Reader
	current    int32 // the turbine of the last sample
	samples    int64 // of that turbine
	digest     int64 // of these samples
}

func (b *groupBuilder) addSample(s *Sample) error {
	if s.Turbine != b.current {
		if err := b.finishTurbine(); err != nil {
			return err
		}
		b.current, b.samples, b.digest = s.Turbine, 0, 0
		b.checks.Begin(s.Turbine)
	}
	b.Samples++
	b.samples++
	if err := b.aggregator.Add(s.At, s.Readings[:]); err != nil {
		return fmt.Errorf("row %d: turbine %d: %w", b.Samples, s.Turbine, err)
	}
	b.checks.Add(s.At, s.Readings[:])
	hash := hashOf(s)
	b.Digest ^= hash
	b.digest ^= hash
	return nil
}

// finishTurbine takes the windows of the current turbine, and what the checks found
// of it.
func (b *groupBuilder) finishTurbine() error {
	if b.current == noTurbine {
		return nil
	}
	windows, err := b.aggregator.Windows()
	if err != nil {
		return fmt.Errorf("turbine %d: %w", b.current, err)
	}
	b.Checked = append(b.Checked, b.checks.End(windows))
	if len(windows) > 0 {
		b.Series = append(b.Series, Series{b.current, windows, b.samples, b.digest})
	}
	return nil
}

// hashOf hashes a sample as the source's database does for GET /data/digest, where
// a day's digest is the exclusive or of its samples' hashes.
func hashOf(s *Sample) int64 {
	var h pgrow.Hash
	h.Int32(s.Turbine)
	h.Timestamp(pgrow.Micros(s.At))
	for _, reading := range s.Readings {
		if math.IsNaN(reading) {
			h.Null()
		} else {
			h.Float64(reading)
		}
	}
	return int64(h)
}

// The windows of a group are 700 KB; those of the next one may take their place.
//
//nolint:gochecknoglobals // What is in a pool belongs to nobody.
var aggregators sync.Pool

func takeAggregator() *window.Aggregator {
	a, ok := aggregators.Get().(*window.Aggregator)
	if !ok {
		a = window.NewAggregator(variable.Count)
	}
	return a
}

// Free gives the memory of the group's windows back once they are loaded: the group
// has none from then on. A group that is dropped need not be freed.
func (g *Group) Free() {
	for _, a := range g.memory {
		a.Reset()
		aggregators.Put(a)
	}
	g.memory, g.Series = nil, nil
}

// BrokenTurbine is a turbine whose readings can't be had, after all retries. It keeps
// its old values; the others of its day are loaded.
type BrokenTurbine struct {
	ID  int32
	Err error
}

// BrokenError names the broken turbines of a day.
type BrokenError struct{ Turbines []BrokenTurbine }

func (e *BrokenError) Error() string {
	const most = 10
	var named []string
	for _, t := range e.Turbines[:min(len(e.Turbines), most)] {
		named = append(named, fmt.Sprintf("turbine %d: %v", t.ID, t.Err))
	}
	if more := len(e.Turbines) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d broken: %s", len(e.Turbines), strings.Join(named, "; "))
}

// Unwrap returns the causes.
func (e *BrokenError) Unwrap() []error {
	causes := make([]error, len(e.Turbines))
	for i, t := range e.Turbines {
		causes[i] = t.Err
	}
	return causes
}
