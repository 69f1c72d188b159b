package demo

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// A quiet handler drops what is below a warning until it is opened, so that
// the requests of the demo's own ETL don't bury the lines that it prints. Where
// debugging is asked for, it drops nothing.
type quiet struct {
	slog.Handler

	open *atomic.Bool
}

// newQuiet returns a logger over log, and what opens it.
func newQuiet(ctx context.Context, log *slog.Logger) (quieted *slog.Logger, open func()) {
	h := quiet{log.Handler(), new(atomic.Bool)}
	h.open.Store(log.Enabled(ctx, slog.LevelDebug))
	return slog.New(h), func() { h.open.Store(true) }
}

// Enabled implements slog.Handler.
func (h quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return (level >= slog.LevelWarn || h.open.Load()) && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{h.Handler.WithAttrs(attrs), h.open}
}

// WithGroup implements slog.Handler.
func (h quiet) WithGroup(name string) slog.Handler { return quiet{h.Handler.WithGroup(name), h.open} }

// holdBack is how long a patient handler waits: a dead part is known by then.
const holdBack = 500 * time.Millisecond

// A patient handler holds warnings and errors back for a moment, and drops them
// if a part of the demo has died meanwhile: they follow from that, and the part's
// end is told once.
type patient struct {
	slog.Handler

	demo context.Context // its cause tells whether a part has died
}

func newPatient(demo context.Context, log *slog.Logger) *slog.Logger {
	return slog.New(patient{log.Handler(), demo})
}

// Handle implements slog.Handler.
func (h patient) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case h.partDied():
		return nil
	case r.Level < slog.LevelWarn || h.demo.Err() != nil:
		return h.Handler.Handle(ctx, r)
	}
	r, ctx = r.Clone(), context.WithoutCancel(ctx)
	time.AfterFunc(holdBack, func() {
		if !h.partDied() {
			_ = h.Handler.Handle(ctx, r)
		}
	})
	return nil
}

func (h patient) partDied() bool {
	_, died := errors.AsType[*partError](context.Cause(h.demo))
	return died
}

// WithAttrs implements slog.Handler.
func (h patient) WithAttrs(attrs []slog.Attr) slog.Handler {
	return patient{h.Handler.WithAttrs(attrs), h.demo}
}

// WithGroup implements slog.Handler.
func (h patient) WithGroup(name string) slog.Handler {
	return patient{h.Handler.WithGroup(name), h.demo}
}
