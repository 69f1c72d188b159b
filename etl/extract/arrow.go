package extract

import (
	"fmt"
	"io"
	"iter"
	"math"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/delfos/delfos/gen/variable"
)

// arrowStream is the media type of an Arrow IPC stream.
const arrowStream = "application/vnd.apache.arrow.stream"

// Sample is what a turbine logged at an instant.
type Sample struct {
	Turbine  int32
	At       int64                   // in microseconds of Unix time
	Readings [variable.Count]float64 // NaN where there is none
}

// batch is some rows of an Arrow stream of samples.
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

// batchOf finds the columns by their names.
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

// columnOf finds a column by its name and wants it of a type.
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

// sample reads a row of the batch.
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
