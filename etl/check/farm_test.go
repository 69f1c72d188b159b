package check_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/checkrule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func day() time.Time { return time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC) }

func at(clock string) int64 {
	t, err := time.Parse(time.DateTime, "2025-01-02 "+clock+":00")
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

// sample is a minute of a turbine.
type sample struct {
	at       int64
	readings [3]float64
}

// farm holds the samples of turbines 1, 2, and so on.
type farm [][]sample

// newFarm is a day of turbines in an ordinary wind, each with its own.
func newFarm(turbines int) farm {
	f := make(farm, turbines)
	for i := range f {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		for minute := range 1440 {
			m := float64(minute)
			wind := 8 + 2.5*math.Sin(2*math.Pi*m/700) + 1.5*math.Sin(2*math.Pi*(m+40*float64(i))/180) + 0.3*r.NormFloat64()
			f[i] = append(f[i], sample{
				day().UnixMicro() + int64(minute)*60e6,
				[3]float64{wind, 1500 * (wind * wind * wind / 1728) * (1 - 0.02*r.Float64()), 5 + math.Sin(m/200) + 0.05*r.NormFloat64()},
			})
		}
	}
	return f
}

// each changes the samples of a turbine in [from, to); one that change refuses is
// removed.
func (f farm) each(turbine int, from, to string, change func(minute int, readings *[3]float64) bool) {
	stop := day().AddDate(0, 0, 1).UnixMicro()
	if to != "24:00" {
		stop = at(to)
	}
	minute := 0
	var kept []sample
	for _, s := range f[turbine-1] {
		if s.at >= at(from) && s.at < stop {
			minute++
			if !change(minute-1, &s.readings) {
				continue
			}
		}
		kept = append(kept, s)
	}
	f[turbine-1] = kept
}

func (f farm) set(turbine int, from, to string, variable int, value float64) {
	f.each(turbine, from, to, func(_ int, readings *[3]float64) bool { readings[variable] = value; return true })
}

func (f farm) drop(turbine int, from, to string) {
	f.each(turbine, from, to, func(int, *[3]float64) bool { return false })
}

// newLogger is a turbine's day in an ordinary wind with a sample each interval, the
// first at an offset.
func newLogger(interval, offset time.Duration) []sample {
	var samples []sample
	r := rand.New(rand.NewPCG(7, 1))
	for at := offset; at < 24*time.Hour; at += interval {
		m := at.Minutes()
		wind := 8 + 2.5*math.Sin(2*math.Pi*m/700) + 0.3*r.NormFloat64()
		samples = append(samples, sample{
			day().Add(at).UnixMicro(),
			[3]float64{wind, 1500 * (wind * wind * wind / 1728), 5 + math.Sin(m/200) + 0.05*r.NormFloat64()},
		})
	}
	return samples
}

// judge runs the checks as the job does, on turbines that log each minute.
func (f farm) judge(t testing.TB, until time.Time, rules ...checkrule.Rule) check.Report {
	t.Helper()
	set := check.NewRules(rules)
	set.Until = until
	return f.judgeBy(t, set)
}

func (f farm) judgeBy(t testing.TB, set check.Rules) check.Report {
	t.Helper()
	d, reader := check.NewDay(set, day()), check.NewReader(set, day())
	aggregator := window.NewAggregator(variable.Count)
turbines:
	for i, samples := range f {
		reader.Begin(int32(i + 1))
		for _, s := range samples {
			if err := aggregator.Add(s.at, s.readings[:]); err != nil {
				d.Disorder(int32(i+1), err)
				reader = check.NewReader(set, day())
				aggregator = window.NewAggregator(variable.Count)
				continue turbines
			}
			reader.Add(s.at, s.readings[:])
		}
		windows, err := aggregator.Windows()
		if err != nil {
			t.Fatal(err)
		}
		d.Add(reader.End(windows))
	}
	return d.Report()
}

// doubts are the results that did not pass, as `check variable faults: detail`.
func doubts(r check.Report) []string {
	var texts []string
	for _, result := range r.Results {
		if result.Status != enum.CheckStatusPass {
			texts = append(texts, strings.TrimSuffix(string(result.Check)+" "+result.Variable, " ")+" "+string(result.Status)+": "+result.Detail)
		}
	}
	return texts
}

// flagged are the flags, as `turbine check variable from last`, neighbours drawn
// together.
func flagged(r check.Report) []string {
	type group struct {
		turbine  int32
		check    check.Name
		variable string
	}
	var order []group
	first, last, count := map[group]int64{}, map[group]int64{}, map[group]int{}
	for _, f := range r.Flags {
		g := group{f.Turbine, f.Check, f.Variable}
		if count[g] == 0 {
			order, first[g] = append(order, g), f.Start
		}
		last[g] = f.Start
		count[g]++
	}
	clock := func(micros int64) string { return time.UnixMicro(micros).UTC().Format("15:04") }
	var texts []string
	for _, g := range order {
		texts = append(texts, strings.Join([]string{
			"turbine " + strconv.Itoa(int(g.turbine)), string(g.check), g.variable,
			clock(first[g]) + "-" + clock(last[g]), "x" + strconv.Itoa(count[g]),
		}, " "))
	}
	return texts
}
