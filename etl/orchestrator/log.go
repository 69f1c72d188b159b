package orchestrator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/tracing"
)

const (
	keptEntries = 10_000
	// waitingEntries bounds the entries that wait to be written; what comes when
	// they are that many is lost to the run's log, and counted.
	waitingEntries = 10_000
	flushEvery     = 500 * time.Millisecond
	flushLimit     = 1000
)

type runKey struct{}

type runOf struct {
	id  int64
	day time.Time
}

// withRun makes what is logged under ctx part of the run's log; day is zero if it is of
// the whole run.
func withRun(ctx context.Context, id int64, day time.Time) context.Context {
	return context.WithValue(ctx, runKey{}, runOf{id, day})
}

// RunLog keeps what is logged on behalf of a run in the target, beside where it
// goes otherwise.
type RunLog struct {
	mu      sync.Mutex
	waiting []logEntry
	lost    int
}

type logEntry struct {
	RunID      int64           `json:"run_id"`
	Day        *string         `json:"day"`
	At         time.Time       `json:"at"`
	Level      string          `json:"level"`
	Message    string          `json:"message"`
	Attributes json.RawMessage `json:"attributes"`
}

// NewRunLog returns an empty log.
func NewRunLog() *RunLog { return &RunLog{} }

// Handler passes all records on to next, and keeps those of a run.
func (l *RunLog) Handler(next slog.Handler) slog.Handler {
	return &runHandler{log: l, next: next, with: func(h slog.Handler) slog.Handler { return h }}
}

type runHandler struct {
	log  *RunLog
	next slog.Handler
	with func(slog.Handler) slog.Handler // gives a handler the attributes and groups of this one
}

// Enabled implements slog.Handler: a run's log has information whatever else is
// logged.
func (h *runHandler) Enabled(ctx context.Context, level slog.Level) bool {
	_, ofRun := ctx.Value(runKey{}).(runOf)
	return ofRun && level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h *runHandler) Handle(ctx context.Context, r slog.Record) error {
	if run, ok := ctx.Value(runKey{}).(runOf); ok && r.Level >= slog.LevelInfo {
		var attributes bytes.Buffer
		encoder := tracing.LogHandler(slog.NewJSONHandler(&attributes, &slog.HandlerOptions{ReplaceAttr: storable}))
		if err := h.with(encoder).Handle(ctx, r); err != nil {
			return err
		}
		entry := logEntry{
			RunID: run.id, At: r.Time, Level: level(r.Level), Message: ledger.Storable(r.Message), Attributes: attributes.Bytes(),
		}
		if !run.day.IsZero() {
			entry.Day = new(run.day.Format(time.DateOnly))
		}
		h.log.add(entry)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *runHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(x slog.Handler) slog.Handler { return x.WithAttrs(attrs) })
}

func (h *runHandler) WithGroup(name string) slog.Handler {
	return h.and(func(x slog.Handler) slog.Handler { return x.WithGroup(name) })
}

func (h *runHandler) and(more func(slog.Handler) slog.Handler) slog.Handler {
	return &runHandler{log: h.log, next: more(h.next), with: func(x slog.Handler) slog.Handler { return more(h.with(x)) }}
}

// storable is an attribute as the target can keep it. What an entry has fields of
// its own for is left out.
func storable(groups []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	case error:
		a.Value = slog.StringValue(ledger.Storable(v.Error()))
	case string:
		a.Value = slog.StringValue(ledger.Storable(v))
	}
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

func level(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	}
	return "info"
}

func (l *RunLog) add(e logEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= waitingEntries {
		l.lost++
		return
	}
	l.waiting = append(l.waiting, e)
}

func (l *RunLog) take() []logEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), flushLimit)
	entries := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if l.lost > 0 {
		e := entries[0]
		e.At, e.Level, e.Message, e.Attributes = time.Now(), "warn", "entries were lost", fmt.Appendf(nil, `{"lost":%d}`, l.lost)
		entries, l.lost = append(entries, e), 0
	}
	return entries
}

func (l *RunLog) putBack(entries []logEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(entries, l.waiting...)
}

func (l *RunLog) flush(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		entries := l.take()
		if len(entries) == 0 {
			return nil
		}
		encoded, err := json.Marshal(entries)
		if err != nil {
			return fmt.Errorf("encode the logs of runs: %w", err)
		}
		db := targetdb.New(pool)
		if err := db.AddRunLog(ctx, encoded); err != nil {
			// What the target refuses, as the log of a run that was removed, it
			// would refuse again.
			switch dberror.Target.Of(err).Class {
			case dberror.Again, dberror.Away, dberror.Cancelled:
				l.putBack(entries)
			case dberror.Never, dberror.Outdated, dberror.Refused, dberror.Unknown:
			}
			return fmt.Errorf("append to the logs of runs: %w", err)
		}
		runs := make([]int64, len(entries))
		for i, e := range entries {
			runs[i] = e.RunID
		}
		slices.Sort(runs)
		if err := db.TrimRunLog(ctx, targetdb.TrimRunLogParams{RunIds: slices.Compact(runs), Keep: keptEntries}); err != nil {
			return fmt.Errorf("trim the logs of runs: %w", err)
		}
	}
}

// riverLog is the log of River's own doings. What it says for information, such
// as counts of jobs every few seconds, is detail to us; its errors are warnings,
// as the ledger decides what has failed and River goes on by itself. River adds
// neither attributes nor groups to its log.
type riverLog struct{ slog.Handler }

func lowered(l slog.Level) slog.Level {
	switch {
	case l >= slog.LevelError:
		return slog.LevelWarn
	case l >= slog.LevelInfo && l < slog.LevelWarn:
		return slog.LevelDebug
	}
	return l
}

func (h riverLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(level))
}

func (h riverLog) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return h.Handler.Handle(ctx, r)
}
