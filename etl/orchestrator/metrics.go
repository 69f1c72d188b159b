package orchestrator

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

const (
	// readingLasts is how long what was read of the ledger is good for another scrape, and
	// readingLimit bounds the reading: a target that is away holds up no scrape.
	readingLasts = 5 * time.Second
	readingLimit = 3 * time.Second
	// lateAfter is how long after it became due a day that is not loaded is late.
	lateAfter = time.Hour
)

type counters struct {
	days          *prometheus.CounterVec
	samples       prometheus.Counter
	values        *prometheus.CounterVec
	seconds       prometheus.Histogram
	retries       prometheus.Counter
	checks        *prometheus.CounterVec
	eraseRefusals prometheus.Counter
	leasesLost    prometheus.Counter
}

func newCounters() *counters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vec := func(name, help, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value) // it begins with 0, so that the first one is an increase
		}
		return v
	}
	return &counters{
		days: vec("delfos_attempts_total", "Attempts at days that have ended, by outcome.", "outcome",
			string(enum.OutcomeDone), string(enum.OutcomeEmpty), string(enum.OutcomeFailed), string(enum.OutcomeCancelled)),
		samples: counter("delfos_samples_read_total", "Samples that were read from the source."),
		values:  vec("delfos_values_written_total", "Values of the target that were written, by change.", "change", "inserted", "updated", "deleted"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "delfos_attempt_duration_seconds", Help: "Duration of attempts at days.", Buckets: prometheus.ExponentialBuckets(.05, 3, 10),
		}),
		retries: counter("delfos_retries_total", "Attempts that failed and are followed by another one."),
		checks: vec("delfos_checks_failed_total", "Checks of loads that did not pass, by severity.", "severity",
			string(enum.SeverityWarn), string(enum.SeverityBlock)),
		eraseRefusals: counter("delfos_erase_refusals_total", "Attempts that would have removed more values than is done without being asked."),
		leasesLost:    counter("delfos_leases_lost_total", "Days that were taken from a worker that had died or stopped."),
	}
}

func (c *counters) count(p etl.Partition, err error, again bool) {
	c.days.WithLabelValues(string(p.Outcome)).Inc()
	c.samples.Add(float64(p.Samples))
	for change, n := range map[string]int64{"inserted": p.Inserted, "updated": p.Updated, "deleted": p.Deleted} {
		c.values.WithLabelValues(change).Add(float64(n))
	}
	c.seconds.Observe(p.Seconds)
	if again {
		c.retries.Inc()
	}
	c.checks.WithLabelValues(string(enum.SeverityWarn)).Add(float64(p.Warnings))
	if blocked, ok := errors.AsType[*check.BlockedError](err); ok {
		c.checks.WithLabelValues(string(enum.SeverityBlock)).Add(float64(len(blocked.Results)))
	}
	if _, refused := errors.AsType[*etl.EraseError](err); refused {
		c.eraseRefusals.Inc()
	}
}

// Metrics returns what this process has done, and what the ledger says, which is the same
// from each process that works on the target. While the target is away the ledger's are
// left out, and delfos_target_up is 0.
func (o *Orchestrator) Metrics() prometheus.Collector {
	c := o.counters
	return unchecked{c.days, c.samples, c.values, c.seconds, c.retries, c.checks, c.eraseRefusals, c.leasesLost, &ledgerMetrics{control: o.control}}
}

// unchecked are collectors that don't say beforehand what they collect, because some of
// it depends on the target.
type unchecked []prometheus.Collector

func (unchecked) Describe(chan<- *prometheus.Desc) {}

func (u unchecked) Collect(to chan<- prometheus.Metric) {
	for _, c := range u {
		c.Collect(to)
	}
}

type ledgerMetrics struct {
	control *Control

	mu      sync.Mutex
	readAt  time.Time
	metrics []prometheus.Metric
}

func (*ledgerMetrics) Describe(chan<- *prometheus.Desc) {}

func (m *ledgerMetrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.readAt) > readingLasts {
		ctx, cancel := context.WithTimeout(context.Background(), readingLimit)
		defer cancel()
		reading, err := m.control.reading(ctx)
		m.metrics = reading.metrics()
		if err != nil {
			m.metrics = []prometheus.Metric{gauge("delfos_target_up", "Whether the ledger could be read.", 0)}
		}
		m.readAt = time.Now()
	}
	for _, metric := range m.metrics {
		to <- metric
	}
}

type reading struct {
	Status
	targetdb.ReadQueueAgeRow

	Late     []targetdb.ReadGridRow
	Due      *time.Time // the newest day that is due
	Notified bool       // whether this process tells somebody of what is wrong
}

func (c *Control) reading(ctx context.Context) (r reading, err error) {
	r.Notified = c.config.Notify.Receiver != nil
	if r.Status, err = c.Status(ctx); err != nil {
		return r, err
	}
	if r.ReadQueueAgeRow, err = targetdb.New(c.config.Target).ReadQueueAge(ctx); err != nil {
		return r, err
	}
	if r.Schedule.PartitionStart == nil {
		return r, nil
	}
	if due, _ := c.cron.dueDays(*r.Schedule.PartitionStart, r.Now, c.config.Schedule.CatchUpDays); len(due) > 0 {
		r.Due = &due[0]
	}
	days := c.overdue(r.Now, r.Schedule.PartitionStart)
	err = pgx.BeginTxFunc(ctx, c.config.Target, snapshot(), func(tx pgx.Tx) (err error) {
		r.Late, err = awaited(ctx, tx, days)
		return err
	})
	return r, err
}

// overdue are the days from start on that became due more than lateAfter ago, within the
// time for which the schedule catches up; none while start is not known.
func (s *scheduler) overdue(now time.Time, start *time.Time) []time.Time {
	if start == nil {
		return nil
	}
	days, _ := s.cron.dueDays(s.config.Schedule.SourceRetention.Clip(*start, now), now.Add(-lateAfter), s.config.Schedule.CatchUpDays)
	return days
}

// awaited are those of the days that are not loaded since they ended. What was called off
// or pruned is not awaited.
func awaited(ctx context.Context, tx pgx.Tx, days []time.Time) (wanted []targetdb.ReadGridRow, err error) {
	if len(days) == 0 {
		return nil, nil
	}
	grid, calledOff, err := readStates(ctx, tx, slices.MinFunc(days, time.Time.Compare), slices.MaxFunc(days, time.Time.Compare))
	if err != nil {
		return nil, err
	}
	for _, row := range grid {
		switch row.State {
		case enum.PartitionStatePruned:
			continue
		case enum.PartitionStateDone, enum.PartitionStateEmpty, enum.PartitionStateStale:
			if row.Over {
				continue
			}
		default:
		}
		if !calledOff[row.Day] && slices.ContainsFunc(days, row.Day.Equal) {
			wanted = append(wanted, row)
		}
	}
	return wanted, nil
}

// partitionStates are those of delfos_partitions; each has a series, also while no day is in it.
func partitionStates() []enum.PartitionState {
	return []enum.PartitionState{
		enum.PartitionStateMissing, enum.PartitionStateQueued, enum.PartitionStateRunning, enum.PartitionStateDone,
		enum.PartitionStateStale, enum.PartitionStateEmpty, enum.PartitionStateFailed, enum.PartitionStateCancelled,
		enum.PartitionStatePruned,
	}
}

func (r reading) metrics() (all []prometheus.Metric) {
	add := func(name, help string, value float64) { all = append(all, gauge(name, help, value)) }
	instant := func(name, help string, at *time.Time) {
		if at != nil {
			add(name, help, float64(at.UnixMilli())/1000)
		}
	}
	end := func(day *time.Time) *time.Time {
		if day == nil {
			return nil
		}
		return new(day.AddDate(0, 0, 1))
	}
	add("delfos_target_up", "Whether the ledger could be read.", 1)
	byState := prometheus.NewDesc("delfos_partitions", "Days of the ledger, by state.", []string{"state"}, nil)
	for _, state := range partitionStates() {
		all = append(all, prometheus.MustNewConstMetric(byState, prometheus.GaugeValue, float64(r.Counts[state]), string(state)))
	}
	add("delfos_partitions_late", "Days that have been due for more than an hour and are not loaded.", float64(len(r.Late)))
	add("delfos_partitions_failed_twice", "Days that have failed at least twice since they were last loaded.", float64(r.FailedTwice))
	add("delfos_queue_depth", "Days that wait for a worker or for their next attempt.", float64(r.Waiting))
	add("delfos_queue_age_seconds", "For how long the day that has waited longest may be loaded and is not; 0 if none waits.", r.Seconds)
	add("delfos_queue_paused", "Whether the queue is paused.", truth(r.Schedule.QueuePaused))
	add("delfos_workers", "Processes that work on the queue.", float64(len(r.Workers)))
	add("delfos_worker_places", "Days that the workers can load at once.", float64(r.Schedule.Workers))
	instant("delfos_newest_done_day_end_timestamp_seconds", "End of the newest day that was loaded after its end.", end(r.NewestDone))
	instant("delfos_newest_due_day_end_timestamp_seconds", "End of the newest day that is due by the schedule.", end(r.Due))
	instant("delfos_schedule_checked_timestamp_seconds", "When due days were last looked for.", r.Schedule.CheckedAt)
	if r.Schedule.StaleDays > 0 {
		instant("delfos_last_sweep_timestamp_seconds", "When late data was last looked for.", r.Schedule.SweptAt)
	}
	add("delfos_schedule_paused", "Whether the schedule is paused.", truth(r.Schedule.Paused))
	add("delfos_source_suspect", "Whether the source is not believed, so that late data is not followed.", truth(r.Schedule.SuspectSince != nil))
	if r.Source != nil {
		add("delfos_source_up", "Whether the source API answered this process when it was last asked.", truth(r.Source.Err == nil))
	}
	if r.Notified {
		add("delfos_notices_pending", "Notices that the receiver at NOTIFY_URL has not taken yet.", float64(r.Notices))
	}
	add("delfos_check_warnings", "Checks of the days' last loads that warn.", float64(r.Warnings))
	return all
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauge(name, help string, value float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value)
}
