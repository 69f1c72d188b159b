package etl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/signal"
)

// decoder turns the rows of a group's answer into windows as they arrive.
type decoder struct {
	group

	first, last time.Time // what was asked for, both inclusive
	aggregator  *window.Aggregator
	current     int // in read; -1 before the first row
	readings    [len(signal.Variables)]float64
}

// decode reads a JSON array of samples to the end of body: of the turbines
// named and the time from first to last, ordered by turbine, then time. Errors
// wrap errBroken when the answer is no such thing as JSON, and do not when it
// says what it must not.
func decode(body io.Reader, turbines []int32, first, last time.Time) (group, error) {
	d := decoder{
		group: group{read: turbines}, first: first, last: last,
		aggregator: window.NewAggregator(len(signal.Variables)), current: -1,
	}
	in := json.NewDecoder(body)
	if err := expect(in, json.Delim('[')); err != nil {
		return group{}, err
	}
	for in.More() {
		var sample sourceapi.Sample
		if err := in.Decode(&sample); err != nil {
			return group{}, fmt.Errorf("%w: row %d: %w", errBroken, d.samples+1, err)
		}
		if err := d.add(&sample); err != nil {
			return group{}, fmt.Errorf("row %d: %w", d.samples+1, err)
		}
	}
	if err := expect(in, json.Delim(']')); err != nil {
		return group{}, err
	}
	// Trailers are there once the body has been read to its end.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return group{}, fmt.Errorf("%w: %w", errBroken, err)
	}
	return d.group, d.finish()
}

func (d *decoder) add(sample *sourceapi.Sample) error {
	if sample.TurbineId == nil {
		return errors.New("it has no turbine_id")
	}
	if err := d.turn(*sample.TurbineId); err != nil {
		return err
	}
	at := sample.Timestamp.Time()
	if at.Before(d.first) || at.After(d.last) {
		return fmt.Errorf("timestamp %s was not asked for", sample.Timestamp)
	}
	for i, reading := range [...]*float64{sample.WindSpeed, sample.Power, sample.AmbientTemperature} {
		d.readings[i] = math.NaN()
		if reading != nil {
			d.readings[i] = *reading
		}
	}
	if err := d.aggregator.Add(at.UnixMicro(), d.readings[:]); err != nil {
		return fmt.Errorf("turbine %d: %w", *sample.TurbineId, err)
	}
	d.samples++
	return nil
}

// turn makes a turbine the current one; those passed over have no samples.
func (d *decoder) turn(turbine int32) error {
	if d.current >= 0 && d.read[d.current] == turbine {
		return nil
	}
	if err := d.finish(); err != nil {
		return err
	}
	for d.current++; d.current < len(d.read); d.current++ {
		if d.read[d.current] == turbine {
			return nil
		}
	}
	return fmt.Errorf("turbine %d was not asked for, or comes out of order", turbine)
}

// finish takes the windows of the current turbine.
func (d *decoder) finish() error {
	if d.current < 0 {
		return nil
	}
	windows, err := d.aggregator.Windows()
	if err != nil {
		return fmt.Errorf("turbine %d: %w", d.read[d.current], err)
	}
	if len(windows) > 0 {
		d.series = append(d.series, series{d.read[d.current], windows})
	}
	return nil
}

func expect(in *json.Decoder, want json.Delim) error {
	token, err := in.Token()
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if token != want {
		return fmt.Errorf("%w: %v where %v should be", errBroken, token, want)
	}
	return nil
}
