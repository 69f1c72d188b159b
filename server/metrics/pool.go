package metrics

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Pool returns the metrics of a pool of sessions, as OpenTelemetry has them. What it
// calls db.client.connection.count is named after its unit here: for Prometheus, _count
// is the end of a histogram's name.
func Pool(name string, pool *pgxpool.Pool) prometheus.Collector {
	desc := func(metric, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("db_client_connection"+metric, help, labels, prometheus.Labels{"pool": name})
	}
	return &poolMetrics{
		pool:     pool,
		sessions: desc("s", "Sessions that are open, by state.", "state"),
		most:     desc("s_max", "Sessions that the pool may have."),
		acquired: desc("_acquires_total", "Sessions that were taken out of the pool."),
		waited:   desc("_wait_seconds_total", "Time for which somebody waited for a session."),
		gaveUp:   desc("_timeouts_total", "Waits for a session that were given up."),
	}
}

type poolMetrics struct {
	pool                                     *pgxpool.Pool
	sessions, most, acquired, waited, gaveUp *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m *poolMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m *poolMetrics) Collect(to chan<- prometheus.Metric) {
	s := m.pool.Stat()
	gauge := func(desc *prometheus.Desc, value int32, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value)
	}
	gauge(m.sessions, s.AcquiredConns(), "used")
	gauge(m.sessions, s.IdleConns(), "idle")
	gauge(m.most, s.MaxConns())
	counter(m.acquired, float64(s.AcquireCount()))
	counter(m.waited, s.EmptyAcquireWaitTime().Seconds())
	counter(m.gaveUp, float64(s.CanceledAcquireCount()))
}
