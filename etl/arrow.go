package etl

import (
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/delfos/delfos/internal/signal"
)

// arrowStream is the media type of an Arrow IPC stream.
const arrowStream = "application/vnd.apache.arrow.stream"

// arrow reads an Arrow stream of samples, batch by batch.
func (d *decoder) arrow(body io.Reader) error {
	memory, ok := recyclers.Get().(*recycler)
	if !ok {
		memory = new(recycler)
	}
	defer recyclers.Put(memory)
	in, err := ipc.NewReader(body, ipc.WithAllocator(memory))
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	defer in.Release()
	for in.Next() {
		if err := d.batch(in.RecordBatch()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%w: row %d: %w", errBroken, d.samples+1, err)
	}
	return nil
}

func (d *decoder) batch(batch arrow.RecordBatch) error {
	turbines, err := columnOf[*array.Int32](batch, "turbine_id")
	if err != nil {
		return err
	}
	times, err := columnOf[*array.Timestamp](batch, "timestamp")
	if err != nil {
		return err
	}
	if kind, ok := times.DataType().(*arrow.TimestampType); !ok || kind.Unit != arrow.Microsecond {
		return fmt.Errorf("timestamp is of type %s, want microseconds", times.DataType())
	}
	var variables [len(signal.Variables)]*array.Float64
	for i, name := range signal.Variables {
		if variables[i], err = columnOf[*array.Float64](batch, name); err != nil {
			return err
		}
	}
	for row, at := range times.Values() {
		for i, variable := range variables {
			d.readings[i] = math.NaN()
			if variable.IsValid(row) {
				d.readings[i] = variable.Value(row)
			}
		}
		if err := d.add(turbines.Value(row), int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// columnOf finds a column by its name and wants it of a type.
func columnOf[T arrow.Array](batch arrow.RecordBatch, name string) (T, error) {
	var column T
	places := batch.Schema().FieldIndices(name)
	if len(places) != 1 {
		return column, fmt.Errorf("the answer has %d columns %s, want one", len(places), name)
	}
	column, ok := batch.Column(places[0]).(T)
	if !ok {
		return column, fmt.Errorf("%s is of type %s", name, batch.Column(places[0]).DataType())
	}
	return column, nil
}
