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

// rollup takes values window by window, as they are read, and passes on those of periods
// in the same form. It holds one period of one turbine.
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

// period is when the period of a step that holds an instant starts, and when it ends, by
// the clock of the instant's zone.
func period(step targetapi.Step, at time.Time) (start, end time.Time) {
	switch step {
	case targetapi.StepWindow:
		start = at.Truncate(window.Width)
		return start, start.Add(window.Width)
	case targetapi.StepHour:
		return hour(at)
	default:
	}
	year, month, day := at.Date()
	// wall is what the clock shows, as a time of UTC, when the nth period starts, counted
	// from the one that the clock is in.
	wall := func(nth int) time.Time {
		switch step {
		case targetapi.StepMonth:
			return time.Date(year, month+time.Month(nth), 1, 0, 0, 0, 0, time.UTC)
		case targetapi.StepDay:
			return time.Date(year, month, day+nth, 0, 0, 0, 0, time.UTC)
		default:
			const hours = 6
			return time.Date(year, month, day, (at.Hour()/hours+nth)*hours, 0, 0, 0, time.UTC)
		}
	}
	start, end = reached(wall(0), at.Location()), reached(wall(1), at.Location())
	for nth := 2; !end.After(at); nth++ { // clocks that go back at midnight show the day before again
		start, end = end, reached(wall(nth), at.Location())
	}
	return start, end
}

// reached is the first instant at which the clock of a zone shows what wall does in UTC,
// or a later time.
func reached(wall time.Time, zone *time.Location) time.Time {
	at := wall.Add(-24 * time.Hour).In(zone) // every clock shows less
	for {
		_, offset := at.Zone()
		_, changes := at.ZoneBounds()
		shown := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		switch {
		case shown.Before(at): // left out
			return at
		case changes.IsZero() || shown.Before(changes):
			return shown
		}
		at = changes
	}
}

// hour is the hour of an instant: it starts when the clock shows a whole hour, and when
// clocks change.
func hour(at time.Time) (start, end time.Time) {
	_, offset := at.Zone()
	shift := time.Duration(offset) * time.Second
	start = at.Add(shift).UTC().Truncate(time.Hour).Add(-shift)
	end = start.Add(time.Hour)
	since, until := at.ZoneBounds()
	if !since.IsZero() && since.After(start) {
		start = since
	}
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	return start, end
}
