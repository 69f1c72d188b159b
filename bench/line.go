package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// sample is one run of one side of a line.
type sample struct {
	value   float64 // seconds, or answers a second
	peak    int64   // bytes resident at most, of the process that is judged
	grown   int64   // of it, what the API took beyond what it had idle
	written int64   // values that the ETL wrote
}

// A side runs once and says what came of it.
type side func(context.Context, *api) (sample, error)

// line is a line of the results: a baseline, ours, and what their ratio has to
// be: at most target for times, at least for rates.
type line struct {
	name    string
	work    string
	against string
	data    dataset
	rate    bool
	target  float64
	base    side
	ours    side
	// same fails unless both sides have the same result; nil where they can't.
	same func(context.Context) error
	// further is what must hold beside the ratio; nil if nothing.
	further func(base, ours []sample) (string, bool)
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func year() dataset  { return dataset{"year", date(2025, time.January, 1), days, 1} }
func fifty() dataset { return dataset{"fifty", date(2026, time.January, 1), 10, 50} }
func (b *bench) fleet() dataset {
	return dataset{"fleet", date(2026, time.March, 1), 1, b.turbines}
}

func (b *bench) lines() []line {
	fleet := b.fleet()
	june := span{date(2025, time.June, 15), date(2025, time.June, 16)}
	load := b.fresh(b.etl(fleet.span(), ""))
	asPiped := b.sameValues(func() *url.URL { return b.replaced })
	fleetDay := fmt.Sprintf("A day of %d turbines", b.turbines)
	return []line{
		{
			name: "day-json", work: "`GET /data`, a day of one turbine, JSON, 8 clients", against: "pgbench, same query, prepared, 8 clients",
			data: year(), rate: true, target: 0.6, base: b.pgbench, ours: b.answers(false),
		},
		{
			name: "day-304", work: "The same, 304 by `If-None-Match`", against: "the full answer",
			data: year(), rate: true, target: 2, base: b.answers(false), ours: b.answers(true),
		},
		{
			name: "year-json", work: "`GET /data`, a year, JSON", against: "psql, `COPY … TO STDOUT` csv, same rows",
			data: year(), target: 1, base: b.copyOut("copy_csv.sql", year()), ours: b.answer(year(), "&format=json"),
			further: grownAtMost(20),
		},
		{
			name: "year-arrow", work: "The same, Arrow", against: "the same",
			data: year(), target: 0.6, base: b.copyOut("copy_csv.sql", year()), ours: b.answer(year(), "&format=arrow"),
		},
		{
			name: "etl-day", work: "ETL of a day, whole process", against: "the pipe `psql \\| psql`",
			data: year(), target: 0.35, base: b.pipe(june), ours: b.fresh(b.etl(june, "")), same: asPiped,
		},
		{
			name: "fifty-arrow", work: "Arrow, 50 turbines × 10 days", against: "psql, binary `COPY … TO STDOUT`, same rows",
			data: fifty(), target: 1.2, base: b.copyOut("copy_binary.sql", fifty()), ours: b.answer(fifty(), "&turbines=all&format=arrow"),
		},
		{
			name: "etl-year", work: "Backfill of a year, 365 partitions", against: "the pipe, one transaction",
			data: year(), target: 0.4, base: b.pipe(year().span()), ours: b.fresh(b.etl(year().span(), "")), same: asPiped,
			further: peakAtMost(64),
		},
		{
			name: "fleet-pipe", work: fleetDay, against: "the pipe",
			data: fleet, target: 0.3, base: b.pipe(fleet.span()), ours: load, same: asPiped,
			further: peakAtMost(96),
		},
		{
			name: "fleet-in-place", work: fleetDay, against: "aggregated in place, one `INSERT … SELECT`",
			data: fleet, target: 0.25, base: b.inPlace(fleet), ours: load,
			same: b.sameValues(func() *url.URL { return b.database(fleet) }),
		},
		{
			name: "fleet-rerun", work: "Rerun of that day, nothing changed", against: "its first load",
			data: fleet, target: 0.2, base: load, ours: b.etl(fleet.span(), ""),
			further: nothingWritten,
		},
		{
			name: "tenfold", work: fmt.Sprintf("A day of %d turbines", b.turbines/10*10), against: fmt.Sprintf("of %d turbines", b.turbines/10),
			data: fleet, target: 11, base: b.fresh(b.etl(fleet.span(), "1-"+strconv.Itoa(b.turbines/10))),
			ours:    b.fresh(b.etl(fleet.span(), "1-"+strconv.Itoa(b.turbines/10*10))),
			further: peakWithinTenth,
		},
	}
}

// result is a measured line.
type result struct {
	line
	base, ours []sample
	apiPeak    int64
	err        error
}

// measure runs a line with an API of its own, whose peak is then the line's.
func (b *bench) measure(ctx context.Context, l line) (r result) {
	r.line = l
	if r.err = b.seed(ctx, l.data); r.err != nil {
		return r
	}
	served, err := b.serve(ctx, l.data)
	if err != nil {
		r.err = err
		return r
	}
	defer func() { r.err = errors.Join(r.err, served.stop()) }()
	for range b.rounds {
		base, err := l.base(ctx, served)
		if err != nil {
			r.err = fmt.Errorf("baseline: %w", err)
			return r
		}
		ours, err := l.ours(ctx, served)
		if err != nil {
			r.err = fmt.Errorf("ours: %w", err)
			return r
		}
		r.base, r.ours = append(r.base, base), append(r.ours, ours)
	}
	r.apiPeak = served.peak()
	if l.same != nil {
		r.err = l.same(ctx)
	}
	return r
}

// ratio is that of the medians, ours to the baseline's.
func (r result) ratio() float64 { return median(values(r.ours)) / median(values(r.base)) }

// met says whether the ratio and what is further asked for hold.
func (r result) met() bool {
	reached := r.ratio() <= r.target
	if r.rate {
		reached = r.ratio() >= r.target
	}
	if r.further == nil {
		return reached
	}
	_, holds := r.further(r.base, r.ours)
	return reached && holds
}

func values(samples []sample) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = s.value
	}
	return all
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func most(samples []sample, of func(sample) int64) int64 {
	var m int64
	for _, s := range samples {
		m = max(m, of(s))
	}
	return m
}

func peak(s sample) int64 { return s.peak }

func grownAtMost(mebibytes int64) func(base, ours []sample) (string, bool) {
	return func(_, ours []sample) (string, bool) {
		grown := most(ours, func(s sample) int64 { return s.grown })
		return fmt.Sprintf("memory grew by %s, at most %d MiB", mib(grown), mebibytes), grown <= mebibytes*mebibyte
	}
}

func peakAtMost(mebibytes int64) func(base, ours []sample) (string, bool) {
	return func(_, ours []sample) (string, bool) {
		m := most(ours, peak)
		return fmt.Sprintf("memory %s, at most %d MiB", mib(m), mebibytes), m <= mebibytes*mebibyte
	}
}

func peakWithinTenth(base, ours []sample) (string, bool) {
	few, many := most(base, peak), most(ours, peak)
	return fmt.Sprintf("memory %s after %s, to stay within a tenth", mib(many), mib(few)), float64(many) <= 1.1*float64(few)
}

func nothingWritten(_, ours []sample) (string, bool) {
	n := most(ours, func(s sample) int64 { return s.written })
	return fmt.Sprintf("%d rows written, to be 0", n), n == 0
}
