package orchestrator

import (
	"context"
	"log/slog"
)

// riverLog is the log of River's own doings. What it says for information, such
// as counts of jobs every few seconds, is detail to us; its errors are warnings,
// as the ledger decides what has failed and River goes on by itself.
type riverLog struct{ slog.Handler }

func newRiverLog(log *slog.Logger) *slog.Logger { return slog.New(riverLog{log.Handler()}) }

func lowered(l slog.Level) slog.Level {
	switch {
	case l >= slog.LevelError:
		return slog.LevelWarn
	case l >= slog.LevelInfo && l < slog.LevelWarn:
		return slog.LevelDebug
	}
	return l
}

// Enabled implements slog.Handler.
func (h riverLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(level))
}

// Handle implements slog.Handler.
func (h riverLog) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // A handler passes on.
}

// WithAttrs implements slog.Handler.
func (h riverLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return riverLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h riverLog) WithGroup(name string) slog.Handler { return riverLog{h.Handler.WithGroup(name)} }
