// Package window turns samples into the statistics of 10-minute windows. It is
// arithmetic alone: no I/O, and nothing but the standard library.
//
// A window is [t, t + 10 min), aligned to the UTC epoch and labelled by its
// start t. A missing reading does not count. Mean and deviation agree with
// exact rational arithmetic to 1e-12 relative whatever the readings are, within
// what a float64 can hold.
package window

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Width is the length of a window.
const Width = 10 * time.Minute

const widthMicros = int64(Width / time.Microsecond)

var (
	// ErrOrder is wrapped when a sample is not later than the one before it.
	ErrOrder = errors.New("samples must be in order of time, each time once")
	// ErrOverflow is wrapped when a statistic of finite readings is beyond
	// the range of a float64: the deviation of ±1.7e308 is.
	ErrOverflow = errors.New("the standard deviation is beyond the range of a double")
)

// Start returns the start of the window that holds the instant at, both in
// microseconds of Unix time.
func Start(at int64) int64 {
	m := at % widthMicros
	if m < 0 {
		m += widthMicros
	}
	return at - m
}

// A Window holds the statistics of each variable from Start on, in
// microseconds of Unix time.
type Window struct {
	Start int64
	Stats []Stats
}

// An Aggregator computes the windows of one turbine's samples after another's,
// as they arrive. It buffers the readings of one window, and holds the windows
// until Reset: from then on it takes no new memory for as many as there were.
type Aggregator struct {
	readings [][]float64 // by variable, of the window at start
	windows  []Window    // of every series since Reset, the current one from first on
	stats    []Stats     // theirs
	first    int
	start    int64
	last     int64
	begun    bool
}

// NewAggregator returns an Aggregator for samples of the given number of
// variables.
func NewAggregator(variables int) *Aggregator {
	return &Aggregator{readings: make([][]float64, variables)}
}

// Add takes the sample at an instant, in microseconds of Unix time: a reading
// for each variable, NaN where it is missing. Errors wrap ErrOrder or
// ErrOverflow.
func (a *Aggregator) Add(at int64, sample []float64) error {
	if a.begun && at <= a.last {
		return fmt.Errorf("%s after %s: %w", format(at), format(a.last), ErrOrder)
	}
	if start := Start(at); !a.begun || start != a.start {
		if err := a.close(); err != nil {
			return err
		}
		a.start, a.begun = start, true
	}
	a.last = at
	for i, reading := range sample {
		if !math.IsNaN(reading) {
			a.readings[i] = append(a.readings[i], reading)
		}
	}
	return nil
}

// Windows ends the series and returns its windows in order of time, those
// without any reading left out; the next sample begins another series. They are
// valid until Reset. The error wraps ErrOverflow.
func (a *Aggregator) Windows() ([]Window, error) {
	err := a.close()
	first, end := a.first, len(a.windows)
	a.first, a.begun = end, false
	return a.windows[first:end:end], err
}

// Reset makes the Aggregator as new, but for its memory: it writes over the
// windows that it has returned.
func (a *Aggregator) Reset() {
	for i, readings := range a.readings {
		a.readings[i] = readings[:0]
	}
	a.windows, a.stats, a.first, a.begun = a.windows[:0], a.stats[:0], 0, false
}

func (a *Aggregator) close() error {
	count := 0
	for _, readings := range a.readings {
		count += len(readings)
	}
	if count == 0 {
		return nil
	}
	first := len(a.stats)
	for i, readings := range a.readings {
		a.stats = append(a.stats, Of(readings))
		a.readings[i] = readings[:0]
	}
	// Once a.stats moves, the windows before keep the place that it had.
	end := len(a.stats)
	stats := a.stats[first:end:end]
	for _, s := range stats {
		if math.IsInf(s.Std, 0) {
			return fmt.Errorf("window %s: %w", format(a.start), ErrOverflow)
		}
	}
	a.windows = append(a.windows, Window{Start: a.start, Stats: stats})
	return nil
}

func format(micros int64) string {
	return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
}
