package target

import (
	"math"
	"slices"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/signal"
)

// energySignal stands for the energy of a period, in kWh, among its values. No signal
// that is read with it has its id or its name.
const (
	energySignal = math.MaxInt32
	energyName   = "energy"
)

// rollup takes values window by window, as they are read, and passes on those of
// periods in the same form: by turbine, start of the period and signal. It holds one
// period of one turbine.
type rollup struct {
	rows // that take the values of periods

	step  targetapi.Step
	zone  *time.Location
	each  intervals // of turbines, for their energy; nil where it is not asked for
	parts []part    // what is read

	turbine     int32
	start, stop int64 // of the period, in microseconds
	windows     [variable.Count][]window.Stats
	last        [variable.Count]int64 // the start of the last of them
}

// part is a signal and what it says.
type part struct {
	id        int32
	variable  int
	statistic string
	wanted    bool // it is passed on, and not only read for another
}

// takes are the ids of the signals that are read for those wanted: a mean is weighted by
// counts, and a deviation takes means too.
func (r *rollup) takes(signals []targetdb.Signal, wanted []int32) (ids []int32) {
	var asked [variable.Count][]string // the statistics wanted of each variable
	for _, s := range signals {
		if name, statistic, _ := signal.Split(s.Name); slices.Contains(wanted, s.ID) {
			i := slices.Index(variable.Names[:], name)
			asked[i] = append(asked[i], statistic)
		}
	}
	for _, s := range signals {
		name, statistic, _ := signal.Split(s.Name)
		p := part{id: s.ID, variable: slices.Index(variable.Names[:], name), statistic: statistic}
		has := func(other string) bool { return slices.Contains(asked[p.variable], other) }
		p.wanted = has(statistic)
		if p.wanted || statistic == "mean" && has("std") || statistic == "count" && (has("mean") || has("std")) {
			r.parts, ids = append(r.parts, p), append(ids, s.ID)
		}
	}
	return ids
}

// value takes a value of a window.
func (r *rollup) value(v value) error {
	at := int64(v.Timestamp)
	if v.TurbineID != r.turbine || at >= r.stop {
		if err := r.close(); err != nil {
			return err
		}
		start, end := period(r.step, v.Timestamp.Time().In(r.zone))
		r.turbine, r.start, r.stop = v.TurbineID, start.UnixMicro(), end.UnixMicro()
	}
	i := slices.IndexFunc(r.parts, func(p part) bool { return p.id == v.SignalID })
	p := r.parts[i]
	windows := &r.windows[p.variable]
	if len(*windows) == 0 || r.last[p.variable] != at {
		*windows = append(*windows, window.Stats{Mean: math.NaN(), Min: math.NaN(), Max: math.NaN(), Std: math.NaN()})
		r.last[p.variable] = at
	}
	s := &(*windows)[len(*windows)-1]
	if p.statistic == "count" {
		s.Count = int(v.Value)
	} else {
		*statisticOf(s, p.statistic) = v.Value
	}
	return nil
}

// statisticOf is a statistic that is not a count.
func statisticOf(s *window.Stats, name string) *float64 {
	switch name {
	case "mean":
		return &s.Mean
	case "min":
		return &s.Min
	case "max":
		return &s.Max
	default:
		return &s.Std
	}
}

// end passes on the last period.
func (r *rollup) end() error {
	if err := r.close(); err != nil {
		return err
	}
	return r.rows.end()
}

// close passes on the values of the period that is held. A deviation beyond a double is
// left out.
func (r *rollup) close() error {
	var all [variable.Count]window.Stats
	for i, windows := range r.windows {
		all[i] = window.Rollup(windows)
	}
	of := func(signal int32, x float64) error {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return r.rows.value(value{TurbineID: r.turbine, SignalID: signal, Timestamp: pgrow.Micros(r.start), Value: x})
	}
	for _, p := range r.parts {
		s := &all[p.variable]
		x := math.NaN()
		switch {
		case !p.wanted:
		case p.statistic != "count":
			x = *statisticOf(s, p.statistic)
		case s.Count > 0:
			x = float64(s.Count)
		}
		if err := of(p.id, x); err != nil {
			return err
		}
	}
	if r.each != nil {
		if err := of(energySignal, r.energy()); err != nil {
			return err
		}
	}
	for i := range r.windows {
		r.windows[i] = r.windows[i][:0]
	}
	return nil
}

// energy is that of the windows held, NaN without any.
func (r *rollup) energy() float64 {
	sum := math.NaN()
	for _, w := range r.windows[variable.Power] {
		if w.Count > 0 && !math.IsNaN(w.Mean) {
			if math.IsNaN(sum) {
				sum = 0
			}
			sum += energy(w.Mean, float64(w.Count), r.each.of(r.turbine))
		}
	}
	return sum
}
