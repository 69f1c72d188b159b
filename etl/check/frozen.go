package check

import (
	"fmt"
	"math"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
)

// What makes a run of equal readings a flat run: docs/checks.md says why.
const (
	flatReadings = 6
	flatTime     = 30 * minute
	sharedBy     = 0.25
	plateau      = 0.9
	calm         = 0.5 // m/s
	movedShare   = 0.1
)

// run is a flat run: one reading of a variable from first to last.
type run struct {
	turbine     int32
	variable    int
	first, last int64 // readings
	end         int64 // of the interval of the last
	value       float64
	moved       bool // the turbine's power, meanwhile
}

func (r *Reader) endRun(variable int) {
	if t := &r.tracks[variable]; t.last+r.interval-t.first >= flatTime {
		r.series.flat = append(r.series.flat, run{variable: variable, first: t.first, last: t.last, end: t.last + r.interval, value: t.value})
	}
}

// natural reports whether the turbine itself explains the run. highest is the
// highest power of its day.
func (f run) natural(highest float64) bool {
	switch f.variable {
	case variable.Power:
		return f.value <= 0 || f.value >= plateau*highest
	case variable.WindSpeed:
		return f.value < calm && !f.moved
	}
	return false
}

// powerMoved reports whether the turbine's power moved in the windows that lie
// within the run.
func (f run) powerMoved(highest float64, windows []window.Window) bool {
	lowest, most := math.Inf(1), math.Inf(-1)
	for _, w := range windows {
		if s := w.Stats[variable.Power]; s.Count > 0 && w.Start >= f.first && w.Start+width <= f.end {
			lowest, most = min(lowest, s.Min), max(most, s.Max)
		}
	}
	return highest > 0 && most-lowest >= movedShare*highest
}

// frozen returns the runs that count, in the order in which they came.
func (d *Day) frozen() []run {
	if len(d.flat) == 0 {
		return nil
	}
	var running [variable.Count][minutesPerDay]int32 // how many turbines have a run
	for _, f := range d.flat {
		first, end := d.minutes(f)
		for m := first; m < end; m++ {
			running[f.variable][m]++
		}
	}
	var stuck []run
	for _, f := range d.flat {
		others := d.reporting[f.variable] - 1
		if others == 0 {
			if f.variable == variable.WindSpeed && f.moved {
				stuck = append(stuck, f)
			}
			continue
		}
		shared := 0
		first, end := d.minutes(f)
		for m := first; m < end; m++ {
			shared += int(running[f.variable][m]) - 1
		}
		if float64(shared) < sharedBy*float64(others)*float64(end-first) {
			stuck = append(stuck, f)
		}
	}
	return stuck
}

// minutes are those of the day that a run touches: from first on, before end.
func (d *Day) minutes(f run) (first, end int64) {
	return (f.first - d.start) / minute, min((f.end-1-d.start)/minute+1, minutesPerDay)
}

// String says what is flat and for how long.
func (f run) String() string {
	return fmt.Sprintf("%s %s for %d minutes from %s",
		number(f.value), variable.Units[f.variable], (f.end-f.first)/minute, instant(f.first))
}
