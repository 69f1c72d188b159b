package etl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/apiclient"
)

const (
	// DefaultGroup is how many turbines one request asks for. A group is
	// verified by its trailers before any of it is decoded, so it bounds the
	// memory too: 32 turbines' day is 1.7 MB of Arrow.
	DefaultGroup = 32
	// hopeless is how many requests in a row may fail for good before a day is
	// given up, because then the cause is not single turbines. It is reached when
	// every second of 32 turbines is broken, and evenly spread.
	hopeless = 32
)

// extraction reads a day's samples group by group, as windows.
type extraction struct {
	source   *extract.Client
	day      time.Time
	rules    check.Rules // of the checks that are made in passing
	failures int         // requests that failed since one succeeded
}

// series is one turbine's windows of a day, in order of time.
type series struct {
	turbine int32
	windows []window.Window
}

// group is what became of a group of turbines. Those of read whose samples are
// none have no series, nor anything that was checked.
type group struct {
	read    []int32
	series  []series
	checked []check.Series
	samples int64
	digest  int64 // of the samples, as GET /data/digest has it
	broken  []BrokenTurbine
	memory  []*window.Aggregator // of the windows; free gives it back
}

func (g *group) add(part group) {
	g.read = append(g.read, part.read...)
	g.series = append(g.series, part.series...)
	g.checked = append(g.checked, part.checked...)
	g.memory = append(g.memory, part.memory...)
	g.samples += part.samples
	g.digest ^= part.digest
}

// sort restores the order of data's key after parts came as they could be had.
func (g *group) sort() {
	slices.Sort(g.read)
	slices.SortFunc(g.series, func(a, b series) int { return cmp.Compare(a.turbine, b.turbine) })
	slices.SortFunc(g.checked, func(a, b check.Series) int { return cmp.Compare(a.Turbine, b.Turbine) })
	slices.SortFunc(g.broken, func(a, b BrokenTurbine) int { return cmp.Compare(a.ID, b.ID) })
}

// extract reads the day of some turbines, in ascending order, and hands them
// on in groups of a size. An error is of the source as a whole, or of emit.
func (x *extraction) extract(ctx context.Context, turbines []int32, size int, emit func(group) error) error {
	for part := range slices.Chunk(turbines, size) {
		g, err := x.ask(ctx, part)
		if err != nil {
			return err
		}
		if err := emit(g); err != nil {
			return err
		}
	}
	return nil
}

// ask reads a group, with retries. When it can't be had it is halved until the
// turbines that break it are known, the larger parts first.
func (x *extraction) ask(ctx context.Context, turbines []int32) (group, error) {
	var whole group
	client := x.source
	for parts := [][]int32{turbines}; len(parts) > 0; parts = parts[1:] {
		part := parts[0]
		g, err := extract.Try(ctx, client, func() (group, error) { return x.read(ctx, part) })
		client = x.source.Hurried()
		if err == nil {
			x.failures = 0
			whole.add(g)
			continue
		}
		if x.failures++; x.failures == hopeless {
			err = fmt.Errorf("%d requests in a row failed, the last with: %w", hopeless, err)
		}
		_, untold := errors.AsType[*extract.UntoldError](err)
		half := len(part) / 2
		switch {
		case untold && len(part) > 1:
			// A server that is asked over HTTP/1.0 tells of short answers alone. The
			// first turbine shows whether this is such a one.
			parts = append(parts, part[:1])
			parts = slices.AppendSeq(parts, slices.Chunk(part[1:], half))
		case x.failures == hopeless, ctx.Err() != nil, ofAll(err):
			return group{}, fmt.Errorf("extract %s: %w", span(part), err)
		case len(part) == 1:
			whole.broken = append(whole.broken, BrokenTurbine{part[0], err})
		default:
			parts = append(parts, part[:half], part[half:])
		}
	}
	whole.sort()
	return whole, nil
}

// ofAll reports whether an error is not of single turbines' samples: the source is
// away, refuses what was asked, or is not the source API.
func ofAll(err error) bool {
	status, refused := errors.AsType[*extract.StatusError](err)
	_, foreign := errors.AsType[*apiclient.Error](err)
	return foreign || errors.Is(err, extract.ErrAway) || refused && status.Code < http.StatusInternalServerError
}

// span names turbines in ascending order by the first and the last.
func span(turbines []int32) string {
	first, last := turbines[0], turbines[len(turbines)-1]
	if first == last {
		return fmt.Sprintf("turbine %d", first)
	}
	return fmt.Sprintf("turbines %d to %d", first, last)
}

// read asks once for the samples of turbines and turns them into windows as they
// come. An error of a damaged answer wraps extract.ErrBroken.
func (x *extraction) read(ctx context.Context, turbines []int32) (group, error) {
	aggregator := takeAggregator()
	r := reader{
		group:      group{read: turbines, memory: []*window.Aggregator{aggregator}},
		aggregator: aggregator, checks: check.NewReader(x.rules, x.day), current: noTurbine,
	}
	for sample, err := range x.source.Samples(ctx, x.day, turbines) {
		if err == nil {
			err = r.add(&sample)
		}
		if err != nil {
			return group{}, err
		}
	}
	return r.group, r.finish()
}

// noTurbine is not the id of any turbine.
const noTurbine = math.MinInt32

// reader turns samples into windows.
type reader struct {
	group

	aggregator *window.Aggregator
	checks     *check.Reader
	current    int32 // the turbine of the last sample
}

// add takes a sample.
func (r *reader) add(s *extract.Sample) error {
	if s.Turbine != r.current {
		if err := r.finish(); err != nil {
			return err
		}
		r.current = s.Turbine
	}
	r.samples++
	if err := r.aggregator.Add(s.At, s.Readings[:]); err != nil {
		return fmt.Errorf("row %d: turbine %d: %w", r.samples, s.Turbine, err)
	}
	r.checks.Add(s.At, s.Readings[:])
	r.digest ^= digestOf(s)
	return nil
}

// finish takes the windows of the current turbine, and what was found of it.
func (r *reader) finish() error {
	if r.current == noTurbine {
		return nil
	}
	windows, err := r.aggregator.Windows()
	if err != nil {
		return fmt.Errorf("turbine %d: %w", r.current, err)
	}
	r.checked = append(r.checked, r.checks.Turbine(r.current, windows))
	if len(windows) > 0 {
		r.series = append(r.series, series{r.current, windows})
	}
	return nil
}

// The windows of a group are 700 KB; those of the next one may take their place.
//
//nolint:gochecknoglobals // What is in a pool belongs to nobody.
var aggregators = sync.Pool{New: func() any { return window.NewAggregator(variable.Count) }}

func takeAggregator() *window.Aggregator {
	a, ok := aggregators.Get().(*window.Aggregator)
	if !ok {
		a = window.NewAggregator(variable.Count)
	}
	return a
}

// free gives the memory of the group's windows back once they are loaded: it
// has none from then on. A group that is dropped need not be freed.
func (g *group) free() {
	for _, a := range g.memory {
		a.Reset()
		aggregators.Put(a)
	}
	g.memory, g.series = nil, nil
}
