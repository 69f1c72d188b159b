package sampleimport

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/timestamp"
)

// Observations are what the rows of all files have shown, in the same memory for any number.
type observations struct {
	now        time.Time
	allowDates bool
	say        func(string)

	from, to  time.Time
	unordered bool // a key may come twice
	tracks    map[int32]*track
	variables [variable.Count]readings
	units     []string // what each file counts
	first     []row
}

func newObservations(opts Options) *observations {
	o := &observations{now: time.Now(), allowDates: opts.AllowDates, say: opts.Say, tracks: map[int32]*track{}}
	if o.say == nil {
		o.say = func(string) {}
	}
	for i := range o.variables {
		o.variables[i].min, o.variables[i].max = math.Inf(1), math.Inf(-1)
	}
	return o
}

type track struct {
	samples int64
	latest  time.Time // of all files
	steps   map[time.Duration]int64
	// zoneless: times without an offset were taken for UTC.
	zoneless bool

	// Of the file that is read:
	file       int32
	rows       int64
	last       time.Time
	step       time.Duration // between the last two rows that differ in time
	descending bool
}

// Readings are what the values of a variable have shown, before they are scaled.
type readings struct {
	files     int // that have the variable
	missing   int64
	min, max  float64 // of those that no sensor uses for a fault
	sentinels map[float64]int64
}

const (
	// maxSteps bounds the distances that are counted of a turbine.
	maxSteps  = 64
	shownRows = 5
)

func (o *observations) note(file, text string) {
	if text != "" {
		o.say(file + ": " + text)
	}
}

// believe returns an error for an instant that is more often a clock's fault than meant.
func (o *observations) believe(at time.Time) error {
	switch {
	case o.allowDates:
	case at.Before(dates.Earliest()):
		return fmt.Errorf("%s is before %s, as of a clock that was never set; --allow-dates takes it", at.Format(time.RFC3339), dates.Earliest().Format(time.DateOnly))
	case at.After(o.now.Add(24 * time.Hour)):
		return fmt.Errorf("%s is more than a day ahead of now; --allow-dates takes it", at.Format(time.RFC3339))
	}
	return nil
}

func (o *observations) track(r *row) *track {
	t := o.tracks[r.TurbineID]
	if t == nil {
		t = &track{steps: map[time.Duration]int64{}}
		o.tracks[r.TurbineID] = t
	}
	if t.file != r.File {
		t.file, t.rows, t.step, t.descending = r.File, 0, 0, false
	}
	return t
}

func (o *observations) add(t *track, at time.Time, r *row) {
	if t.samples == 0 || at.After(t.latest) {
		t.latest = at
	} else {
		o.unordered = true
	}
	if step := at.Sub(t.last); t.rows > 0 && step != 0 {
		t.step, t.descending = step, step < 0
		if _, known := t.steps[step.Abs()]; known || len(t.steps) < maxSteps {
			t.steps[step.Abs()]++
		}
	}
	t.samples++
	t.rows++
	t.last = at
	if o.from.IsZero() || at.Before(o.from) {
		o.from = at
	}
	if at.After(o.to) {
		o.to = at
	}
	if len(o.first) < shownRows {
		o.first = append(o.first, *r)
	}
}

// interval returns the commonest distance between two rows, 0 without any.
func (t *track) interval() (found time.Duration) {
	for step, n := range t.steps {
		if most := t.steps[found]; n > most || n == most && step < found {
			found = step
		}
	}
	return found
}

func (v *readings) add(raw float64, valid bool) {
	switch {
	case !valid:
		v.missing++
	case math.Abs(raw) >= 99 && slices.Contains(sentinels(), raw):
		if v.sentinels == nil {
			v.sentinels = map[float64]int64{}
		}
		v.sentinels[raw]++
	case v.min > v.max:
		v.min, v.max = raw, raw
	default:
		v.min, v.max = min(v.min, raw), max(v.max, raw)
	}
}

func sentinels() []float64 {
	return []float64{
		-99, -999, -9999, -99999, -999999, -99.9, -999.9, -9999.9, -999.25, -99.99, -999.99, -9999.99, 999, 9999, 99999, 999999,
		999.9, 9999.9, 999.99, 9999.99, 32767, -32768, 65535, 2147483647, -2147483648, 4294967295,
	}
}

// apart says which sentinels are further from the other values than these from each other.
func (v *readings) apart(name string) (found []string) {
	span := v.max - v.min
	for _, s := range sentinels() {
		n, empty := v.sentinels[s], v.min > v.max
		if n > 0 && (empty || s < v.min-span || s > v.max+span) {
			found = append(found, fmt.Sprintf("%s is %g in %d rows, apart from all others; --null %g takes it for a missing reading", name, s, n, s))
		}
	}
	return found
}

// sentinels are lines about numbers that look like a missing reading.
func (o *observations) sentinels() (lines []string) {
	for i, name := range variable.Names {
		lines = append(lines, o.variables[i].apart(name)...)
	}
	return lines
}

func (o *observations) partial() bool {
	return slices.ContainsFunc(o.variables[:], func(v readings) bool { return v.files < len(o.units) })
}

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
