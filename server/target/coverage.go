package target

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/stream"
)

// maxRows bounds an answer by turbine and period, which is made in memory.
const maxRows = 100_000

// calendar is the turbines and the periods of an answer that has a row for each of both.
type calendar struct {
	turbines fleet
	periods  []days
	now      time.Time // readings are expected up to it
}

// days are a UTC day, or those of a month or year that are asked for.
type days struct {
	name        string
	start, stop time.Time
}

// byDays is an answer of days, from and to inclusive, by turbine and period.
func (s *server) byDays(
	ctx context.Context, name string, from, to openapi_types.Date, turbines *targetapi.Turbines, by targetapi.EnergyBy, format *targetapi.Format, ifNoneMatch *string,
	read func(ctx context.Context, db *targetdb.Queries, c calendar) (table, error),
) (statistics, error) {
	if err := checkDays(from.Time, to.Time); err != nil {
		return statistics{}, err
	}
	span, err := param.FleetSpanOf(timestamp.New(from.Time), nil, new(timestamp.New(to.AddDate(0, 0, 1))), turbines)
	if err != nil {
		return statistics{}, err
	}
	c := calendar{now: s.Now().Truncate(window.Width)}
	layout := map[targetapi.EnergyBy]string{targetapi.EnergyByDay: time.DateOnly, targetapi.EnergyByMonth: "2006-01", targetapi.EnergyByYear: "2006"}[by]
	for day := from.Time; !day.After(to.Time); day = day.AddDate(0, 0, 1) {
		if period := day.Format(layout); len(c.periods) == 0 || c.periods[len(c.periods)-1].name != period {
			c.periods = append(c.periods, days{name: period, start: day})
		}
		c.periods[len(c.periods)-1].stop = day.AddDate(0, 0, 1)
	}
	answer, err := s.statistics(ctx, name, span, format, ifNoneMatch, by)
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		if rows := len(turbines) * len(c.periods); rows > maxRows {
			return table{}, problem.Parameters(problem.Invalid("by", string(by), fmt.Sprintf(
				"makes %d rows, of %d turbines and %d periods; at most %d are allowed", rows, len(turbines), len(c.periods), maxRows)))
		}
		c.turbines = turbines
		return read(ctx, db, c)
	}
	return answer, err
}

func (c calendar) bounds() (starts, stops []time.Time) {
	for _, p := range c.periods {
		starts, stops = append(starts, p.start), append(stops, p.stop)
	}
	return starts, stops
}

// row is the place of a turbine and a period, by its start, among the rows.
func (c calendar) row(turbine int32, start time.Time) int {
	i, _ := slices.BinarySearchFunc(c.turbines, turbine, func(m member, id int32) int { return int(m.ID) - int(id) })
	j, _ := slices.BinarySearchFunc(c.periods, start, func(p days, start time.Time) int { return p.start.Compare(start) })
	return i*len(c.periods) + j
}

func (c calendar) expected(t member, p days) (samples int64) {
	interval := max(t.SampleInterval, time.Second)
	for day := p.start; day.Before(p.stop); day = day.AddDate(0, 0, 1) {
		if t.Commissioned != nil && day.Before(*t.Commissioned) || t.Decommissioned != nil && day.After(*t.Decommissioned) {
			continue
		}
		passed := min(max(c.now.Sub(day), 0), 24*time.Hour)
		samples += int64((passed + interval - 1) / interval)
	}
	return samples
}

// periodColumn is the column of periods, which are sorted by name too.
func periodColumn[R any](c calendar, of func(*R) string) column[R] {
	text := func(nth int32) string { return c.periods[nth].name }
	return column[R]{stream.Column{Name: "period", Kind: stream.Text, Text: text}, func(r *R) stream.Value {
		nth, _ := slices.BinarySearchFunc(c.periods, of(r), func(p days, name string) int { return cmp.Compare(p.name, name) })
		return pgrow.OfText(int32(nth))
	}}
}

func ratio(part, whole float64) *float64 {
	if whole == 0 {
		return nil
	}
	return new(part / whole)
}

func (s *server) GetCoverage(ctx context.Context, request targetserver.GetCoverageRequestObject) (targetserver.GetCoverageResponseObject, error) {
	p := request.Params
	by := targetapi.EnergyBy(param.Or(p.By, targetapi.CoverageByDay))
	answer, err := s.byDays(ctx, "coverage", p.From, p.To, p.Turbines, by, p.Format, p.IfNoneMatch, readCoverage)
	return targetserver.GetCoverage200Response(answer.write), err
}

func readCoverage(ctx context.Context, db *targetdb.Queries, c calendar) (table, error) {
	signals, err := listSignals(ctx, db)
	if err != nil {
		return table{}, err
	}
	counts := make(map[int32]string) // the variables that signals count
	for _, s := range signals {
		if name, statistic, _ := signal.Split(s.Name); statistic == "count" {
			counts[s.ID] = name
		}
	}
	starts, stops := c.bounds()
	read, err := db.ReadCounts(ctx, targetdb.ReadCountsParams{TurbineIds: c.turbines.ids(), SignalIds: slices.Collect(maps.Keys(counts)), Starts: starts, Stops: stops})
	if err != nil {
		return table{}, fmt.Errorf("read counts: %w", err)
	}
	both, err := db.ReadCountsOfBoth(ctx, targetdb.ReadCountsOfBothParams{TurbineIds: c.turbines.ids(), Starts: starts, Stops: stops})
	if err != nil {
		return table{}, fmt.Errorf("read counts of both: %w", err)
	}
	pruned, err := prunedDays(ctx, db, starts, stops)
	if err != nil {
		return table{}, err
	}
	rows := make([]targetapi.Coverage, 0, len(c.turbines)*len(c.periods))
	for _, t := range c.turbines {
		for _, p := range c.periods {
			rows = append(rows, targetapi.Coverage{TurbineId: t.ID, Period: p.name, Expected: c.expected(t, p), Read: make(map[string]int64, variable.Count), PrunedDays: pruned[p.start]})
		}
	}
	for _, r := range read {
		rows[c.row(r.TurbineID, r.Start)].Read[counts[r.SignalID]] = r.Readings
	}
	for _, r := range both {
		row := &rows[c.row(r.TurbineID, r.Start)]
		row.Both, row.Coverage = r.Samples, ratio(float64(r.Samples), float64(row.Expected))
	}
	columns := []column[targetapi.Coverage]{
		idColumn("turbine_id", func(r *targetapi.Coverage) int32 { return r.TurbineId }),
		periodColumn(c, func(r *targetapi.Coverage) string { return r.Period }),
		countColumn("expected", func(r *targetapi.Coverage) int64 { return r.Expected }),
	}
	for _, name := range variable.Names {
		columns = append(columns, countColumn("read_"+name, func(r *targetapi.Coverage) int64 { return r.Read[name] }))
	}
	return tableOf(targetapi.CoverageList{Rows: rows}, rows, append(columns,
		countColumn("both", func(r *targetapi.Coverage) int64 { return r.Both }),
		numberColumn("coverage", "1", func(r *targetapi.Coverage) *float64 { return r.Coverage }),
		countColumn("pruned_days", func(r *targetapi.Coverage) int64 { return int64(r.PrunedDays) }),
	)...), nil
}

// prunedDays counts the days of periods that were pruned, by the start of each.
func prunedDays(ctx context.Context, db *targetdb.Queries, starts, stops []time.Time) (map[time.Time]int32, error) {
	rows, err := db.CountPruned(ctx, targetdb.CountPrunedParams{Starts: starts, Stops: stops})
	if err != nil {
		return nil, fmt.Errorf("count pruned days: %w", err)
	}
	pruned := make(map[time.Time]int32, len(rows))
	for _, r := range rows {
		pruned[r.Start.UTC()] = r.Days
	}
	return pruned, nil
}

func (s *server) GetEnergy(ctx context.Context, request targetserver.GetEnergyRequestObject) (targetserver.GetEnergyResponseObject, error) {
	p := request.Params
	answer, err := s.byDays(ctx, "energy", p.From, p.To, p.Turbines, param.Or(p.By, targetapi.EnergyByDay), p.Format, p.IfNoneMatch, readEnergy)
	return targetserver.GetEnergy200Response(answer.write), err
}

func readEnergy(ctx context.Context, db *targetdb.Queries, c calendar) (table, error) {
	intervals := make([]float64, len(c.turbines))
	for i, t := range c.turbines {
		intervals[i] = t.SampleInterval.Seconds()
	}
	starts, stops := c.bounds()
	held, err := db.ReadEnergy(ctx, targetdb.ReadEnergyParams{
		TurbineIds: c.turbines.ids(), IntervalSeconds: intervals, Starts: starts, Stops: stops, WindowSeconds: window.Width.Seconds(),
	})
	if err != nil {
		return table{}, fmt.Errorf("read windows of power: %w", err)
	}
	rows := make([]targetapi.Energy, len(held))
	for _, r := range held {
		at := c.row(r.TurbineID, r.Start)
		rows[at] = energyOf(r, c.turbines[at/len(c.periods)], c.periods[at%len(c.periods)], c)
	}
	type row = targetapi.Energy
	return tableOf(targetapi.EnergyList{Rows: rows}, rows,
		idColumn("turbine_id", func(r *row) int32 { return r.TurbineId }),
		periodColumn(c, func(r *row) string { return r.Period }),
		numberColumn("energy_kwh", "kWh", func(r *row) *float64 { return r.EnergyKwh }),
		numberColumn("energy_filled_kwh", "kWh", func(r *row) *float64 { return r.EnergyFilledKwh }),
		numberColumn("consumed_kwh", "kWh", func(r *row) *float64 { return r.ConsumedKwh }),
		numberColumn("covered_hours", "h", func(r *row) *float64 { return &r.CoveredHours }),
		numberColumn("coverage", "1", func(r *row) *float64 { return r.Coverage }),
		numberColumn("capacity_factor", "1", func(r *row) *float64 { return r.CapacityFactor }),
	), nil
}

// energyOf is the energy of a turbine and a period. Its coverage is of the time of the
// samples expected.
func energyOf(r targetdb.ReadEnergyRow, t member, p days, c calendar) targetapi.Energy {
	const kWh = 3600 // in kW s
	expected := float64(c.expected(t, p)) * t.SampleInterval.Seconds()
	e := targetapi.Energy{TurbineId: t.ID, Period: p.name, CoveredHours: r.CoveredSeconds / kWh, Coverage: ratio(r.CoveredSeconds, expected)}
	if r.Windows == 0 {
		return e
	}
	e.EnergyKwh, e.ConsumedKwh = new(r.Given/kWh), new(r.Taken/kWh)
	e.EnergyFilledKwh = new(r.Positive * window.Width.Seconds() / kWh)
	if t.RatedPower != nil {
		e.CapacityFactor = ratio(r.Given, *t.RatedPower*r.CoveredSeconds)
	}
	return e
}
