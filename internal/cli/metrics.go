package cli

import (
	"context"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/server/metrics"
)

// processMetrics are those of this process, and the listener that shows them.
type processMetrics struct {
	*prometheus.Registry

	stop func() // ends the listener
}

// metrics begins to serve this process's metrics where the configuration says; nowhere if
// it names no address.
func (r *runner) metrics(ctx context.Context, c config.Metrics) (*processMetrics, error) {
	m := &processMetrics{metrics.NewRegistry(r.Version.Number, r.Version.Commit), func() {}}
	if c.MetricsAddr == "" {
		return m, nil
	}
	if c.Pprof == config.On && !isLoopback(c.MetricsAddr) {
		return nil, config.Join([]config.Fault{{
			Variable: "PPROF", Value: c.Pprof, Why: "METRICS_ADDR is " + c.MetricsAddr, Want: "off, or a METRICS_ADDR on loopback such as 127.0.0.1:9464: profiles are not for others",
		}})
	}
	ln, err := listen(ctx, "METRICS_ADDR", c.MetricsAddr)
	if err != nil {
		return nil, err
	}
	// It goes on while requests and loads end, which are worth seeing.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var served sync.WaitGroup
	served.Go(func() {
		err := metrics.Serve(serving, metrics.Config{
			Listener: ln, Metrics: m.Registry, Profiles: c.Pprof == config.On, Log: r.log,
		})
		if err != nil {
			r.log.ErrorContext(ctx, "metrics are not served any more", "error", err)
		}
	})
	m.stop = func() {
		cancel()
		served.Wait()
	}
	r.log.InfoContext(ctx, "serving metrics", "addr", ln.Addr().String())
	return m, nil
}

// isLoopback reports whether only this machine can reach an address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
