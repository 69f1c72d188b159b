package target

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/server/stream"
)

type shape struct {
	columns []stream.Column
	signals []int32                                     // the ids that are read, sorted
	keyed   bool                                        // the third column is a signal, which belongs to the key of a row
	begin   func(yield func([]stream.Value) error) rows // starts an answer; yield takes its rows
}

// rows takes values, window by window, and makes rows of them.
type rows interface {
	value(v value) error
	end() error
}

// value is one of the target's. Its time is the start of its window; that of a value
// that becomes part of a row is what the row shows.
type value = targetdb.ReadValuesRow

// chosen are the signals of the names, or all of them.
func chosen(signals []targetdb.Signal, names *[]targetapi.SignalName) []targetdb.Signal {
	if names == nil {
		return signals
	}
	return slices.DeleteFunc(slices.Clone(signals), func(s targetdb.Signal) bool { return !slices.Contains(*names, s.Name) })
}

func longShape(signals []targetdb.Signal, wanted *[]targetapi.SignalName, _ intervals) shape {
	signals = chosen(signals, wanted)
	names := make(map[int32]string, len(signals))
	for _, s := range signals {
		names[s.ID] = s.Name
	}
	return shape{
		columns: []stream.Column{
			{Name: "timestamp", Kind: stream.Timestamp},
			{Name: "turbine_id", Kind: stream.Int32},
			{Name: "signal", Kind: stream.Text, Text: func(id int32) string { return names[id] }},
			{Name: "value", Kind: stream.Float64},
		},
		signals: ids(signals),
		keyed:   true,
		begin: func(yield func([]stream.Value) error) rows {
			return &longRows{yield: yield, row: make([]stream.Value, 4)}
		},
	}
}

type longRows struct {
	yield func([]stream.Value) error
	row   []stream.Value
}

func (l *longRows) value(v value) error {
	l.row[0], l.row[1] = pgrow.OfTimestamp(int64(v.Timestamp)), pgrow.OfInt32(v.TurbineID)
	l.row[2], l.row[3] = pgrow.OfText(v.SignalID), pgrow.OfFloat64(v.Value)
	return l.yield(l.row)
}

func (l *longRows) end() error { return nil }

// wideShape has a row for each window in which anything was read, and a column for
// each signal wanted. A window without any of these is a row of nulls; that it is one
// is told by the counts, which every variable that was read has. Without these counts it
// has a row for each period with a value of what is wanted: the counts of the other
// variables, of all windows, would be half as much again to read.
func wideShape(signals []targetdb.Signal, wanted *[]targetapi.SignalName, counts bool) shape {
	columns := []stream.Column{
		{Name: "timestamp", Kind: stream.Timestamp},
		{Name: "turbine_id", Kind: stream.Int32},
	}
	var read []targetdb.Signal
	var places []int // of the columns among the values held
	for _, s := range signals {
		_, statistic, ours := signal.Split(s.Name)
		count := ours && statistic == "count"
		want := wanted == nil || slices.Contains(*wanted, s.Name)
		if want {
			column := stream.Column{Name: s.Name, Kind: stream.Float64, Unit: signal.Unit(s.Name)}
			if count {
				column.Kind = stream.Int64
			}
			columns, places = append(columns, column), append(places, len(read))
		}
		if want || count && counts {
			read = append(read, s)
		}
	}
	return pivoted(columns, ids(read), pgrow.OfInt32, func(_ int32, held, row []stream.Value) {
		for i, place := range places {
			row[i] = held[place]
			if columns[i+2].Kind == stream.Int64 && !row[i].Null() {
				row[i] = pgrow.OfInt64(int64(held[place].Float64()))
			}
		}
	})
}

// intervals are the times from a turbine's sample to the next.
type intervals map[int32]time.Duration

// of is the interval of a turbine, a minute if the target does not know it.
func (i intervals) of(turbine int32) time.Duration { return cmp.Or(i[turbine], time.Minute) }

// openOAName is OpenOA's name of a variable, or ours where it has none.
func openOAName(place int) string {
	switch place {
	case variable.WindSpeed:
		return "WMET_HorWdSpd"
	case variable.Power:
		return "WTUR_W"
	case variable.AmbientTemperature:
		return "WMET_EnvTmp"
	default:
		return variable.Names[place]
	}
}

// openOAShape is a wide table as OpenOA reads its SCADA data: the mean of each
// variable under OpenOA's name, the energy in kWh, which is what PlantData makes
// of kW, and an asset_id that is text. OpenOA takes the energy of a window for its
// mean power over ten minutes; here it is that over the time that readings cover. each
// is nil where the values of energySignal say it.
func openOAShape(signals []targetdb.Signal, _ *[]targetapi.SignalName, each intervals) shape {
	columns := []stream.Column{
		{Name: "time", Kind: stream.Timestamp},
		{Name: "asset_id", Kind: stream.Text, Text: assetID()},
	}
	var wanted []string
	for i, name := range variable.Names {
		columns = append(columns, stream.Column{Name: openOAName(i), Kind: stream.Float64, Unit: variable.Units[i]})
		wanted = append(wanted, name+"_mean")
	}
	columns = append(columns, stream.Column{Name: "WTUR_SupWh", Kind: stream.Float64, Unit: "kWh"})
	wanted = append(wanted, variable.Names[variable.Power]+"_count") // weights the energy
	signals = slices.Clone(signals)
	if each == nil {
		wanted[variable.Count] = energyName
		signals = append(signals, targetdb.Signal{ID: energySignal, Name: energyName})
	}
	signals = slices.DeleteFunc(signals, func(s targetdb.Signal) bool { return !slices.Contains(wanted, s.Name) })
	places := make([]int, len(wanted)) // of each among the values held
	for i, name := range wanted {
		places[i] = slices.IndexFunc(signals, func(s targetdb.Signal) bool { return s.Name == name })
	}
	return pivoted(columns, ids(signals), pgrow.OfText, func(turbine int32, held, row []stream.Value) {
		of := func(i int) stream.Value {
			if places[i] < 0 {
				return stream.Value{} // the target has no such signal
			}
			return held[places[i]]
		}
		for i := range variable.Names {
			row[i] = of(i)
		}
		power, last := of(variable.Power), of(variable.Count)
		if each != nil {
			gave := math.NaN()
			if !power.Null() && !last.Null() {
				gave = energy(power.Float64(), last.Float64(), each.of(turbine))
			}
			last = finite(gave)
		}
		row[variable.Count] = last
	})
}

// finite is a number, null where it is none that a double can hold.
func finite(x float64) stream.Value {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return stream.Value{}
	}
	return pgrow.OfFloat64(x)
}

// energy is the mean power, in kW, over the time that so many readings cover, in kWh.
// Readings more often than their interval says make a window no longer.
func energy(power, count float64, interval time.Duration) float64 {
	return power * min(count*interval.Minutes(), window.Width.Minutes()) / 60
}

// assetID writes ids; the last one is kept, as it comes in runs.
func assetID() func(int32) string {
	var last int32
	var written string
	return func(id int32) string {
		if written == "" || id != last {
			last, written = id, strconv.Itoa(int(id))
		}
		return written
	}
}

func ids(signals []targetdb.Signal) []int32 {
	all := make([]int32, len(signals))
	for i, s := range signals {
		all[i] = s.ID
	}
	return all
}

// pivoted is a shape with a row a window: its label, its turbine, and what fill
// makes of its values, which it is given in the order of signals, null where
// there is none.
func pivoted(columns []stream.Column, signals []int32, turbine func(int32) stream.Value, fill func(turbine int32, held, row []stream.Value)) shape {
	return shape{
		columns: columns,
		signals: signals,
		begin: func(yield func([]stream.Value) error) rows {
			return &wideRows{
				yield: yield, signals: signals, turbine: turbine, fill: fill,
				held: make([]stream.Value, len(signals)), row: make([]stream.Value, len(columns)),
			}
		},
	}
}

// wideRows gathers the values of a window.
type wideRows struct {
	yield   func([]stream.Value) error
	signals []int32
	turbine func(int32) stream.Value
	fill    func(turbine int32, held, row []stream.Value)

	window value // whose values are held; only its turbine and time count
	some   bool  // are held
	held   []stream.Value
	row    []stream.Value
}

func (w *wideRows) value(v value) error {
	if w.some && (v.TurbineID != w.window.TurbineID || v.Timestamp != w.window.Timestamp) {
		if err := w.end(); err != nil {
			return err
		}
	}
	w.window, w.some = v, true
	if i, ok := slices.BinarySearch(w.signals, v.SignalID); ok {
		w.held[i] = pgrow.OfFloat64(v.Value)
	}
	return nil
}

func (w *wideRows) end() error {
	if !w.some {
		return nil
	}
	w.row[0], w.row[1] = pgrow.OfTimestamp(int64(w.window.Timestamp)), w.turbine(w.window.TurbineID)
	w.fill(w.window.TurbineID, w.held, w.row[2:])
	clear(w.held)
	w.some = false
	return w.yield(w.row)
}
