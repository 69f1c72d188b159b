package sampleimport

import (
	"fmt"
	"slices"
	"time"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/timestamp"
)

// A Result is what was imported.
type Result struct {
	Counts

	From      *timestamp.Time `json:"from"` // the first sample, nil without any
	To        *timestamp.Time `json:"to"`
	Turbines  []Turbine       `json:"turbines"`
	Variables []Variable      `json:"variables"`
	First     []Sample        `json:"first"` // samples as they are stored
}

// A Turbine is what the files have of a turbine.
type Turbine struct {
	ID      int32  `json:"id"`
	Name    string `json:"name"`
	New     bool   `json:"new"`
	Samples int64  `json:"samples"`
	// Interval is the commonest distance between two samples in seconds, 0 without any.
	Interval float64 `json:"interval"`
}

// A Variable is what the files have of a variable.
type Variable struct {
	Name    string `json:"name"`
	InFiles bool   `json:"in_files"`
	Missing int64  `json:"missing"` // readings that are empty in the files
}

// A Sample is a row as it is stored. A reading that is nil is missing.
type Sample struct {
	TurbineID int32                    `json:"turbine_id"`
	Timestamp timestamp.Time           `json:"timestamp"`
	Readings  [variable.Count]*float64 `json:"readings"`
}

// result puts what was seen into words. now are the turbines that there are by now.
func (o *observations) result(f *farm, now []importdb.Turbine, counts Counts) Result {
	r := Result{Counts: counts}
	if !o.from.IsZero() {
		r.From, r.To = new(timestamp.New(o.from)), new(timestamp.New(o.to))
	}
	ids := map[int32]int32{} // by the number in the rows
	for _, t := range now {
		number := t.ID
		if o.tracks[number] == nil {
			number = f.number[t.Name]
		}
		seen := o.tracks[number]
		if seen == nil {
			continue
		}
		ids[number] = t.ID
		const few = 3 // distances between samples say little
		if found := seen.interval(); found != t.SampleInterval && seen.steps[found] >= few {
			o.say(fmt.Sprintf("turbine %d (%s) has a sample every %s, and its sample_interval is %s; --interval %s sets it",
				t.ID, t.Name, found, t.SampleInterval, found))
		}
		r.Turbines = append(r.Turbines, Turbine{
			ID: t.ID, Name: t.Name, New: !slices.Contains(f.byName[t.Name], t.ID),
			Samples: seen.samples, Interval: seen.interval().Seconds(),
		})
	}
	for i, name := range variable.Names {
		r.Variables = append(r.Variables, Variable{Name: name, InFiles: o.variables[i].files > 0, Missing: o.variables[i].missing})
	}
	for _, row := range o.first {
		s := Sample{TurbineID: ids[row.TurbineID], Timestamp: timestamp.New(time.UnixMicro(int64(row.Timestamp)))}
		for i, v := range row.Readings {
			if v.Valid && v.V == v.V { // a NaN is not in the file
				s.Readings[i] = &v.V
			}
		}
		r.First = append(r.First, s)
	}
	return r
}
