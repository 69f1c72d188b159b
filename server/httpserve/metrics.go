package httpserve

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count the requests of a server by operation, under the names that
// OpenTelemetry gives to them. A request that no operation of the contract answers
// counts too, with an empty operation. It is a prometheus.Collector.
type Metrics struct {
	active       prometheus.Gauge
	duration     *prometheus.HistogramVec
	requestSize  *prometheus.HistogramVec
	responseSize *prometheus.HistogramVec
}

// NewMetrics returns the metrics of the server of an API, source or target.
func NewMetrics(api string) *Metrics {
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets, ConstLabels: prometheus.Labels{"api": api},
		}, []string{"operation", "http_request_method", "http_response_status_code", "error_type"})
	}
	sizes := prometheus.ExponentialBuckets(256, 16, 7) // to 4 GiB
	return &Metrics{
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_requests", Help: "Requests that are being answered.", ConstLabels: prometheus.Labels{"api": api},
		}),
		duration: histogram("http_server_request_duration_seconds", "Duration of requests, to the last byte of the answer.",
			[]float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 60}),
		requestSize:  histogram("http_server_request_body_size_bytes", "Size of the bodies of requests, as far as they were told.", sizes),
		responseSize: histogram("http_server_response_body_size_bytes", "Size of the bodies of answers, as sent.", sizes),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.active.Collect(to)
	m.duration.Collect(to)
	m.requestSize.Collect(to)
	m.responseSize.Collect(to)
}

// begin counts a request that has come; nil counts nothing.
func (m *Metrics) begin() {
	if m != nil {
		m.active.Inc()
	}
}

// end counts a request that was answered. An answer that was broken off has the status
// that it began with, and an error type.
func (m *Metrics) end(a *answer, status int, aborted bool, took time.Duration) {
	if m == nil {
		return
	}
	m.active.Dec()
	errorType := ""
	if aborted {
		errorType = "aborted"
	}
	labels := []string{a.operation, methodOf(a.request), strconv.Itoa(status), errorType}
	m.duration.WithLabelValues(labels...).Observe(took.Seconds())
	m.requestSize.WithLabelValues(labels...).Observe(float64(max(a.request.ContentLength, 0)))
	m.responseSize.WithLabelValues(labels...).Observe(float64(a.pace.taken))
}

// methodOf is a request's method; those that HTTP does not know are one, so that a
// client can't make series without end.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "_OTHER"
}

// NoteOperation says which operation of the contract answers a request.
func NoteOperation(ctx context.Context, id string) { answerOf(ctx).operation = id }
