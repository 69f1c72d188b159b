package etl

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/timestamp"
)

// noTurbine is no turbine's id.
const noTurbine = math.MinInt32

// decoder turns the rows of a group's answer into windows as they arrive.
type decoder struct {
	group

	first, last int64 // what was asked for, in microseconds of Unix time, both inclusive
	aggregator  *window.Aggregator
	checks      *check.Reader
	current     int // in read; -1 before the first row
	readings    [len(signal.Variables)]float64
}

// decode reads samples of the given media type, Arrow or else JSON: of the
// turbines named and the time from first to last, ordered by
// turbine, then time; rules say what is checked of them. Errors wrap errBroken when the answer is damaged, and do
// not when it says what it must not.
func decode(body io.Reader, mediaType string, turbines []int32, first, last time.Time, rules check.Rules) (group, error) {
	aggregator := takeAggregator()
	d := decoder{
		group: group{read: turbines, memory: []*window.Aggregator{aggregator}}, first: first.UnixMicro(), last: last.UnixMicro(),
		aggregator: aggregator, checks: check.NewReader(rules, first), current: -1,
	}
	var err error
	if mediaType == arrowStream {
		err = d.arrow(body)
	} else {
		err = d.json(body)
	}
	if err != nil {
		return group{}, err
	}
	return d.group, d.finish()
}

// json reads an array of samples.
func (d *decoder) json(body io.Reader) error {
	in := json.NewDecoder(body)
	if err := expect(in, json.Delim('[')); err != nil {
		return err
	}
	// The values of every row, in the same memory. A reading that is left out
	// stays NaN; one that is null loses its pointer.
	var turbine int32
	var readings [len(signal.Variables)]float64
	var sample sourceapi.Sample
	fields := fieldsOf(&sample)
	for in.More() {
		turbine, sample = noTurbine, sourceapi.Sample{TurbineId: &turbine}
		for i, field := range fields {
			readings[i], *field = math.NaN(), &readings[i]
		}
		if err := in.Decode(&sample); err != nil {
			return fmt.Errorf("%w: row %d: %w", errBroken, d.samples+1, err)
		}
		if sample.TurbineId == nil || *sample.TurbineId == noTurbine {
			return fmt.Errorf("row %d: it has no turbine_id", d.samples+1)
		}
		for i, field := range fields {
			d.readings[i] = math.NaN()
			if *field != nil {
				d.readings[i] = **field
			}
		}
		if err := d.add(*sample.TurbineId, sample.Timestamp.Time().UnixMicro()); err != nil {
			return err
		}
	}
	return expect(in, json.Delim(']'))
}

// fieldsOf finds the readings of a sample, in the order of signal.Variables.
func fieldsOf(sample *sourceapi.Sample) (fields [len(signal.Variables)]**float64) {
	value := reflect.ValueOf(sample).Elem()
	for i := range value.NumField() {
		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		if place := slices.Index(signal.Variables[:], name); place >= 0 {
			fields[place], _ = reflect.TypeAssert[**float64](value.Field(i).Addr())
		}
	}
	return fields
}

// add takes a row whose readings stand in d.readings; at is in microseconds of
// Unix time.
func (d *decoder) add(turbine int32, at int64) error {
	if err := d.turn(turbine); err != nil {
		return fmt.Errorf("row %d: %w", d.samples+1, err)
	}
	if at < d.first || at > d.last {
		return fmt.Errorf("row %d: timestamp %s was not asked for", d.samples+1, timestamp.New(time.UnixMicro(at)))
	}
	if err := d.aggregator.Add(at, d.readings[:]); err != nil {
		return fmt.Errorf("row %d: turbine %d: %w", d.samples+1, turbine, err)
	}
	d.checks.Add(at, d.readings[:])
	d.samples++
	d.digest ^= digestOf(turbine, at, d.readings[:])
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

// finish takes the windows of the current turbine, and what was found of it.
func (d *decoder) finish() error {
	if d.current < 0 {
		return nil
	}
	windows, err := d.aggregator.Windows()
	if err != nil {
		return fmt.Errorf("turbine %d: %w", d.read[d.current], err)
	}
	d.checked = append(d.checked, d.checks.Turbine(d.read[d.current], windows))
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
