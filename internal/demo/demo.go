// Package demo runs the whole system in one process and two children: embedded
// PostgreSQL servers for source and target, schemas, ten seeded days of a few turbines
// that differ, the source API, and the orchestrator, through which every day is loaded. In
// the end some late data makes a day stale. It proves to a newcomer that the system works,
// and leaves it there to be tried.
//
//	ports free? ──> servers, schemas, samples ──> APIs ──> days ──> up ──> stopped
//	     └──────────────────┴──────── any fault ───┴────────┴───────┴────────^
//
// However it ends, it returns only after everything that it started has ended.
// What it wrote stays in its folder, and the next demo continues from there.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/server/httpserve"
)

const days = 10

// A Config says where the parts of the demo are.
type Config struct {
	Pair     Pair
	Listener net.Listener     // of the source API; Run closes it
	Console  net.Listener     // of the target API; Run closes it
	Access   httpserve.Access // of the source API
	OpenAPI  []byte
	Metrics  prometheus.Registerer // takes the metrics of all parts
	// Orchestrator is how the orchestrator works, but not on what, nor where it answers.
	Orchestrator service.Config
	Delfos       string    // how a shell calls this program
	FirstDay     time.Time // of the ten, midnight UTC
	Once         bool      // end after the ten days
	Out          io.Writer
	Log          *slog.Logger
	Level        *slog.LevelVar // of Log
}

// Run starts the system and keeps it until ctx ends. A part that ends by itself is an error.
func Run(ctx context.Context, c Config) error {
	// Closed already when it came to serving, which does no harm.
	defer func() { _ = errors.Join(c.Listener.Close(), c.Console.Close()) }()
	for _, cluster := range []Cluster{c.Pair.Source, c.Pair.Target} {
		if err := localpg.CheckPort(ctx, cluster.Server.Port); err != nil {
			return fmt.Errorf("%w, or end Delfos's own pair by `delfos postgres stop` or `docker compose down`, or set %s to a URL with a free port", err, cluster.variable)
		}
	}
	within, fail := context.WithCancelCause(ctx)
	s := &system{Config: c, begun: time.Now(), fail: fail}
	err := s.run(within)
	if fault, ok := errors.AsType[*partError](context.Cause(within)); ok {
		err = fault // whatever else failed, failed because of it
	} else if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("before the system was up: %w", context.Cause(ctx))
	}
	fail(nil)
	s.stop(context.WithoutCancel(ctx))
	return err
}

type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.part + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// holdBack is how long a patient handler waits: a dead part is known by then.
const holdBack = 500 * time.Millisecond

// A patient handler holds warnings and errors back for a moment, and drops them
// if a part of the demo has died meanwhile: they follow from that, and the part's
// end is told once.
type patient struct {
	slog.Handler

	demo context.Context // its cause tells whether a part has died
}

// Handle implements slog.Handler.
func (h patient) Handle(ctx context.Context, r slog.Record) error {
	partDied := func() bool {
		_, died := errors.AsType[*partError](context.Cause(h.demo))
		return died
	}
	switch {
	case partDied():
		return nil
	case r.Level < slog.LevelWarn || h.demo.Err() != nil:
		return h.Handler.Handle(ctx, r)
	}
	r, ctx = r.Clone(), context.WithoutCancel(ctx)
	time.AfterFunc(holdBack, func() {
		if !partDied() {
			_ = h.Handler.Handle(ctx, r)
		}
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (h patient) WithAttrs(attrs []slog.Attr) slog.Handler {
	return patient{h.Handler.WithAttrs(attrs), h.demo}
}

// WithGroup implements slog.Handler.
func (h patient) WithGroup(name string) slog.Handler {
	return patient{h.Handler.WithGroup(name), h.demo}
}
