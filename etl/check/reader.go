package check

import (
	"slices"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
)

const (
	second        = int64(time.Second / time.Microsecond)
	minute        = int64(time.Minute / time.Microsecond)
	width         = int64(window.Width / time.Microsecond)
	minutesPerDay = 24 * 60
	windowsPerDay = minutesPerDay / 10
)

// A Reader follows the samples of one turbine of a day after another's, in order
// of time. It is not safe for concurrent use: every extraction has its own.
type Reader struct {
	rules    Rules
	start    int64
	end      int64 // of the time whose samples may be missed
	interval int64 // from a sample of the current turbine to the next
	gap      int64 // without a sample that ends a run of equal readings
	covered  int64 // the end of the last sample's interval
	late     int64 // how much later than that a sample came, the least
	lates    int64 // how often that was
	tracks   [variable.Count]track
	series   Series // of the current turbine; the memory of its lists is used again
	curve    curve
}

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

	samples    int
	due        int   // of these, before the end of the time whose samples may be missed
	gaps       int   // intervals of that time without a sample
	step       int64 // from most samples to the next, if that is longer than the interval; 0
	missing    [variable.Count]int
	outside    []outlier
	flat       []run
	departures []departure
}

// Clean reports whether the checks found nothing in the samples, and nothing that
// another turbine's could explain or be explained by; samples may be missing.
func (s Series) Clean() bool {
	return s.missing == [variable.Count]int{} && len(s.outside) == 0 && len(s.flat) == 0 && len(s.departures) == 0
}

// NewReader returns a Reader for the UTC day that begins at start.
func NewReader(rules Rules, start time.Time) *Reader {
	r := &Reader{rules: rules, start: start.UnixMicro(), end: rules.end(start)}
	low, high := rules.limits()
	for i := range r.tracks {
		r.tracks[i].low, r.tracks[i].high = low[i], high[i]
	}
	return r
}

// Begin begins the samples of a turbine.
func (r *Reader) Begin(turbine int32) {
	r.interval = r.rules.sampleInterval(turbine)
	r.gap = max(width, 2*r.interval)
	r.covered, r.late, r.lates = r.start, 0, 0
	r.series = Series{Turbine: turbine, outside: r.series.outside[:0], flat: r.series.flat[:0]}
	for i := range r.tracks {
		r.tracks[i].length, r.tracks[i].outlier = 0, -1
	}
}

// Add takes the turbine's sample at an instant of the day, in microseconds of Unix time,
// after window.Aggregator has found it to be in order: a reading for each
// variable, NaN where it is missing.
func (r *Reader) Add(at int64, readings []float64) {
	r.series.samples++
	if at < r.end {
		r.cover(at)
	}
	for i := range r.tracks {
		t, x := &r.tracks[i], readings[i]
		// In this order for speed: most readings differ from the one before, and
		// length is 0 after a missing one.
		if x == t.value && t.length > 0 && at-t.last < r.gap {
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

// cover takes the interval of the sample at an instant.
func (r *Reader) cover(at int64) {
	late := at - r.covered
	if late >= r.interval {
		r.series.gaps += int(late / r.interval)
	}
	if late > 0 && r.series.due > 0 {
		if r.lates == 0 || late < r.late {
			r.late, r.lates = late, 0
		}
		if late == r.late {
			r.lates++
		}
	}
	r.covered = at + r.interval
	r.series.due++
}

func (r *Reader) addOutlier(variable int, at int64, x float64) {
	t, start := &r.tracks[variable], window.Start(at)
	if t.outlier < 0 || r.series.outside[t.outlier].window != start {
		t.outlier = len(r.series.outside)
		r.series.outside = append(r.series.outside, outlier{variable: variable, window: start, at: at, value: x})
	}
	r.series.outside[t.outlier].count++
}

// End ends the samples of a turbine, of which windows were made, and returns what was
// found in them.
func (r *Reader) End(windows []window.Window) Series {
	for i := range r.tracks {
		if r.tracks[i].length >= flatReadings {
			r.endRun(i)
		}
	}
	s := r.series
	s.gaps += int(max(r.end-r.covered, 0) / r.interval)
	if step := r.late + r.interval; 2*r.lates*step > r.end-r.start && step%second == 0 {
		s.step = step
	}
	s.departures = r.curve.departures(r.start, r.interval, windows, s.outside)
	s.outside, s.flat = slices.Clone(s.outside), nil
	for _, f := range r.series.flat {
		if f.variable == variable.WindSpeed {
			f.moved = f.powerMoved(r.curve.highest, windows)
		}
		if !f.natural(r.curve.highest) {
			s.flat = append(s.flat, f)
		}
	}
	return s
}

func instant(at int64) string { return time.UnixMicro(at).UTC().Format(time.RFC3339Nano) }
