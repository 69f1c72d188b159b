package extract

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourceclient"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/timestamp"
)

const (
	// SamplesPerDay is how many samples a turbine that logs each minute has of a day:
	// how much memory is made ready for an answer.
	SamplesPerDay = 24 * 60
	// sampleBytes is what a sample takes in Arrow, with some room.
	sampleBytes = 40
)

// Turbines lists the turbines by id, those with samples with their first and last
// instant if the parameters ask for them. It tries again by itself.
func (c *Client) Turbines(ctx context.Context, params *sourceapi.ListTurbinesParams) ([]sourceapi.Turbine, error) {
	return Try(ctx, c, func() (turbines []sourceapi.Turbine, err error) {
		a, err := c.get(ctx, "application/json", 0, func(accept sourceclient.RequestEditorFn) (*http.Response, error) {
			return c.api.ListTurbines(ctx, params, accept)
		})
		if err != nil {
			return nil, err
		}
		defer c.free(a)
		if !json.Valid(a.body.Bytes()) { // cut off, where a body ends with its connection
			return nil, fmt.Errorf("%w: the list of turbines is not JSON", ErrBroken)
		}
		err = apiclient.Source().Decode(a.Response, a.body.Bytes(), &turbines)
		slices.SortFunc(turbines, func(a, b sourceapi.Turbine) int { return cmp.Compare(a.Id, b.Id) })
		return slices.CompactFunc(turbines, func(a, b sourceapi.Turbine) bool { return a.Id == b.Id }), err
	})
}

// TurbineIDs lists the ids of all turbines, ascending. It tries again by itself.
func (c *Client) TurbineIDs(ctx context.Context) ([]int32, error) {
	turbines, err := c.Turbines(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	ids := make([]int32, len(turbines))
	for i, turbine := range turbines {
		ids[i] = turbine.Id
	}
	return ids, nil
}

// Expected is how many samples a turbine has of a UTC day without gaps; of a day that is
// not over, those that it can have at now.
func Expected(t sourceapi.Turbine, day, now time.Time) int64 {
	logs := Logging(t, day)
	if logs.Idle {
		return 0
	}
	const secondsPerDay = 24 * 60 * 60
	interval := int64(logs.Interval / time.Second)
	passed := min(max(now.Unix()-day.Unix(), 0), secondsPerDay)
	return (passed + interval - 1) / interval
}

// Logging is how a turbine logs on a UTC day.
func Logging(t sourceapi.Turbine, day time.Time) check.Turbine {
	return check.Turbine{
		Interval: max(time.Duration(t.SampleInterval)*time.Second, time.Second), // whatever a server says
		Idle:     t.Commissioned != nil && day.Before(t.Commissioned.Time) || t.Decommissioned != nil && day.After(t.Decommissioned.Time),
	}
}

// Samples reads a UTC day of turbines, which ascend: ordered by turbine, then time.
// It asks once. Errors wrap ErrBroken when the answer is damaged; other errors are
// of what it says, and no other try mends them.
func (c *Client) Samples(ctx context.Context, day time.Time, turbines []int32) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		selectors := make([]sourceapi.TurbineSelector, len(turbines))
		for i, id := range turbines {
			selectors[i] = strconv.Itoa(int(id))
		}
		a, err := c.verified(ctx, arrowStream, len(turbines)*SamplesPerDay*sampleBytes, func(accept sourceclient.RequestEditorFn) (*http.Response, error) {
			return c.api.GetData(ctx, &sourceapi.GetDataParams{Start: timestamp.New(day), End: new(timestamp.New(EndOf(day))), Turbines: &selectors}, accept)
		})
		if err == nil {
			err = a.samples(&question{turbines, day.UnixMicro(), EndOf(day).UnixMicro()}, yield)
			c.free(a) // nothing refers to it
		}
		if err != nil {
			yield(Sample{}, err)
		}
	}
}

// samples yields those of an answer, as long as they are what was asked for.
func (a *answer) samples(q *question, yield func(Sample, error) bool) error {
	var sample Sample
	rows := 0
	for b, err := range batches(bytes.NewReader(a.body.Bytes())) {
		if err != nil {
			return fmt.Errorf("row %d: %w", rows+1, err)
		}
		for row := range b.times {
			rows++
			b.sample(row, &sample)
			if err := q.check(&sample); err != nil {
				return fmt.Errorf("row %d: %w", rows, err)
			}
			if !yield(sample, nil) {
				return nil
			}
		}
	}
	return a.counted(rows)
}

type question struct {
	turbines    []int32 // those from the current one on
	first, last int64   // in microseconds of Unix time, both inclusive
}

// check refuses what was not asked for, and turbines out of order.
func (q *question) check(s *Sample) error {
	for len(q.turbines) > 0 && q.turbines[0] != s.Turbine {
		q.turbines = q.turbines[1:] // it has no more samples
	}
	switch {
	case len(q.turbines) == 0:
		return fmt.Errorf("turbine %d was not asked for, or comes out of order", s.Turbine)
	case s.At < q.first || s.At > q.last:
		return fmt.Errorf("timestamp %s was not asked for", timestamp.New(time.UnixMicro(s.At)))
	}
	return nil
}

// EndOf is the last instant of a UTC day, as the API has it: both ends of what it
// is asked for are inclusive.
func EndOf(day time.Time) time.Time { return day.AddDate(0, 0, 1).Add(-time.Microsecond) }

const arrowStream = "application/vnd.apache.arrow.stream"

// Sample is what a turbine logged at an instant.
type Sample struct {
	Turbine  int32
	At       int64                   // in microseconds of Unix time
	Readings [variable.Count]float64 // NaN where there is none
}

type batch struct {
	turbines []int32
	times    []arrow.Timestamp
	readings [variable.Count]*array.Float64
	values   [variable.Count][]float64 // theirs
}

// batches reads an Arrow stream, batch by batch, each of which is valid until the
// next. Errors wrap ErrBroken when the stream is damaged.
func batches(body io.Reader) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		memory, ok := recyclers.Get().(*recycler)
		if !ok {
			memory = new(recycler)
		}
		defer recyclers.Put(memory)
		in, err := ipc.NewReader(body, ipc.WithAllocator(memory))
		if err != nil {
			yield(batch{}, fmt.Errorf("%w: %w", ErrBroken, err))
			return
		}
		defer in.Release()
		for in.Next() {
			b, err := batchOf(in.RecordBatch())
			if !yield(b, err) {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield(batch{}, fmt.Errorf("%w: %w", ErrBroken, err))
		}
	}
}

func batchOf(record arrow.RecordBatch) (b batch, err error) {
	turbines, err := columnOf[*array.Int32](record, "turbine_id")
	if err != nil {
		return b, err
	}
	times, err := columnOf[*array.Timestamp](record, "timestamp")
	if err != nil {
		return b, err
	}
	if kind, ok := times.DataType().(*arrow.TimestampType); !ok || kind.Unit != arrow.Microsecond {
		return b, fmt.Errorf("timestamp is of type %s: want microseconds", times.DataType())
	}
	b.turbines, b.times = turbines.Values(), times.Values()
	for i, name := range variable.Names {
		if b.readings[i], err = columnOf[*array.Float64](record, name); err != nil {
			return b, err
		}
		b.values[i] = b.readings[i].Values()
	}
	return b, nil
}

func columnOf[T arrow.Array](record arrow.RecordBatch, name string) (T, error) {
	var column T
	places := record.Schema().FieldIndices(name)
	if len(places) != 1 {
		return column, fmt.Errorf("the answer has %d columns named %s: want one", len(places), name)
	}
	column, ok := record.Column(places[0]).(T)
	if !ok {
		return column, fmt.Errorf("%s is of type %s", name, record.Column(places[0]).DataType())
	}
	return column, nil
}

func (b *batch) sample(row int, s *Sample) {
	s.Turbine, s.At = b.turbines[row], int64(b.times[row])
	for i, column := range b.readings {
		s.Readings[i] = b.values[i][row]
		if column.IsNull(row) {
			s.Readings[i] = math.NaN()
		}
	}
}

// recyclers are for one stream after another.
//
//nolint:gochecknoglobals // What is in a pool belongs to nobody.
var recyclers sync.Pool

// recycler is the allocator of an Arrow stream, whose batches come one by one: the
// memory that a batch gives back takes the next one. Garbage instead would make the
// heap of a fleet's day grow with the fleet. It is not safe for concurrent use.
type recycler struct {
	memory.GoAllocator

	spare []byte
}

func (r *recycler) Allocate(size int) []byte {
	if b := r.spare; size > 0 && cap(b) >= size {
		r.spare = nil
		return b[:size]
	}
	return r.GoAllocator.Allocate(size)
}

func (r *recycler) Reallocate(size int, b []byte) []byte {
	if cap(b) >= size {
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

func (r *recycler) Free(b []byte) {
	if cap(b) > cap(r.spare) {
		r.spare = b[:0]
	}
}
