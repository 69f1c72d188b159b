package demo

import (
	"context"
	"log/slog"
	"sync/atomic"
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
