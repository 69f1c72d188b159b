// Package servetest serves what a test asks over HTTP.
package servetest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/server/httpserve"
)

// Serve answers on a port of its own until the test ends, and returns its URL.
func Serve(tb testing.TB, handler http.Handler, options httpserve.Options) (url string) {
	tb.Helper()
	ln, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	served := make(chan error, 1)
	go func() { served <- httpserve.Serve(ctx, ln, handler, options) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}

// Idle returns an orchestrator of a target database that works on nothing, so that runs
// wait, and its job, for who loads days by hand.
func Idle(tb testing.TB, database, sourceURL string, log *slog.Logger) (*orchestrator.Orchestrator, *etl.Job) {
	tb.Helper()
	control, err := orchestrator.OpenControl(tb.Context(), database)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(control.Close)
	job, err := etl.New(tb.Context(), etl.Config{Target: control, SourceURL: sourceURL, Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(job.Close)
	o, err := orchestrator.New(orchestrator.Config{
		Target: control, Job: job, Log: log,
		Schedule: orchestrator.ScheduleConfig{Cron: "0 1 * * *", CatchUpDays: 7, StaleDays: 30},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return o, job
}
