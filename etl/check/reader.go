package check

import (
	"slices"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
)

const (
	minute = int64(time.Minute / time.Microsecond)
	width  = int64(window.Width / time.Microsecond)
	// minutesPerDay is how many samples a turbine logs on a day without gaps.
	minutesPerDay = 24 * 60
	windowsPerDay = minutesPerDay / 10
)

// A Reader follows the samples of one turbine of a day after another's, in order
// of time. It is not safe for concurrent use: every extraction has its own.
type Reader struct {
	start  int64
	end    int64 // of the time whose samples may be missed
	minute int64 // of the last sample, counted from start
	tracks [variable.Count]track
	series Series // of the current turbine; the memory of its lists is used again
	curve  curve
}

// track is what is known of one variable of the current turbine.
type track struct {
	low, high   float64
	value       float64 // of the current run of equal readings
	first, last int64   // of that run
	length      int     // of that run
	outlier     int     // index in Series.outside of the last window that had one; -1
}

// outlier is a window with readings outside the limits.
type outlier struct {
	variable int
	window   int64   // its start
	at       int64   // of the first such reading
	value    float64 // of the first such reading
	count    int
}

// Series is what was found in the samples of one turbine.
type Series struct {
	Turbine int32

	samples, minutes int
	missing          [variable.Count]int
	outside          []outlier
	flat             []run
	departures       []departure
}

// Clean reports whether the checks found nothing in the samples, and nothing that
// another turbine's could explain or be explained by; samples may be missing.
func (s Series) Clean() bool {
	return s.missing == [variable.Count]int{} && len(s.outside) == 0 && len(s.flat) == 0 && len(s.departures) == 0
}

// NewReader returns a Reader for the UTC day that begins at start.
func NewReader(rules Rules, start time.Time) *Reader {
	r := &Reader{start: start.UnixMicro(), end: rules.end(start)}
	low, high := rules.limits()
	for i := range r.tracks {
		r.tracks[i].low, r.tracks[i].high = low[i], high[i]
	}
	r.reset()
	return r
}

func (r *Reader) reset() {
	r.minute = -1
	r.series = Series{outside: r.series.outside[:0], flat: r.series.flat[:0]}
	for i := range r.tracks {
		r.tracks[i].length, r.tracks[i].outlier = 0, -1
	}
}

// Add takes the sample at an instant of the day, in microseconds of Unix time,
// after window.Aggregator has found it to be in order: a reading for each
// variable, NaN where it is missing.
func (r *Reader) Add(at int64, readings []float64) {
	r.series.samples++
	if m := (at - r.start) / minute; m != r.minute && at < r.end {
		r.minute = m
		r.series.minutes++
	}
	for i := range r.tracks {
		t, x := &r.tracks[i], readings[i]
		// In this order for speed: most readings differ from the one before, and
		// length is 0 after a missing one.
		if x == t.value && t.length > 0 && at-t.last < longestGap {
			t.last = at
			t.length++
		} else {
			if t.length >= flatReadings {
				r.endRun(i)
			}
			t.value, t.first, t.last, t.length = x, at, at, 1
			if x != x { // NaN alone is not equal to itself.
				t.length = 0
				r.series.missing[i]++
			}
		}
		if x < t.low || x > t.high {
			r.addOutlier(i, at, x)
		}
	}
}

// addOutlier notes a reading outside the limits.
func (r *Reader) addOutlier(variable int, at int64, x float64) {
	t, start := &r.tracks[variable], window.Start(at)
	if t.outlier < 0 || r.series.outside[t.outlier].window != start {
		t.outlier = len(r.series.outside)
		r.series.outside = append(r.series.outside, outlier{variable: variable, window: start, at: at, value: x})
	}
	r.series.outside[t.outlier].count++
}

// Turbine ends the samples of a turbine, of which windows were made, and returns
// what was found in them. The next sample is of another turbine.
func (r *Reader) Turbine(id int32, windows []window.Window) Series {
	for i := range r.tracks {
		if r.tracks[i].length >= flatReadings {
			r.endRun(i)
		}
	}
	s := r.series
	s.Turbine = id
	s.departures = r.curve.departures(r.start, windows, s.outside)
	s.outside, s.flat = slices.Clone(s.outside), nil
	for _, f := range r.series.flat {
		if f.variable == variable.WindSpeed {
			f.moved = f.powerMoved(r.curve.highest, windows)
		}
		if !f.natural(r.curve.highest) {
			s.flat = append(s.flat, f)
		}
	}
	r.reset()
	return s
}
