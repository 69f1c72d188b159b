package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
)

const (
	// KeptLog is how many entries are kept of a run's log.
	KeptLog = 10_000
	// waitingLog bounds the entries that wait to be written; what comes when
	// they are that many is lost to the run's log, and counted.
	waitingLog = 10_000
	flushEvery = 500 * time.Millisecond
	flushLimit = 1000
)

type runKey struct{}

type runOf struct {
	id  int64
	day time.Time
}

// withRun makes what is logged under ctx part of the run's log.
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
	run        runOf
	at         time.Time
	level      string
	message    string
	attributes string
}

// NewRunLog returns an empty log.
func NewRunLog() *RunLog { return &RunLog{} }

// Handler passes all records on to next, and keeps those of a run.
func (l *RunLog) Handler(next slog.Handler) slog.Handler { return &runHandler{log: l, next: next} }

type runHandler struct {
	log   *RunLog
	next  slog.Handler
	attrs []slog.Attr
	group string
}

// Enabled implements slog.Handler: a run's log has information whatever else is
// logged.
func (h *runHandler) Enabled(ctx context.Context, level slog.Level) bool {
	_, ofRun := ctx.Value(runKey{}).(runOf)
	return ofRun && level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *runHandler) Handle(ctx context.Context, r slog.Record) error {
	if run, ok := ctx.Value(runKey{}).(runOf); ok && r.Level >= slog.LevelInfo {
		h.log.add(run, r, h.attrs, h.group)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r) //nolint:wrapcheck // A handler passes on.
}

// WithAttrs implements slog.Handler.
func (h *runHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		own = append(own, a)
	}
	return &runHandler{log: h.log, next: h.next.WithAttrs(attrs), attrs: own, group: h.group}
}

// WithGroup implements slog.Handler.
func (h *runHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &runHandler{log: h.log, next: h.next.WithGroup(name), attrs: h.attrs, group: h.group + name + "."}
}

func (l *RunLog) add(run runOf, r slog.Record, attrs []slog.Attr, group string) {
	facts := map[string]any{}
	enter := func(key string, v slog.Value) {
		switch v = v.Resolve(); v.Kind() {
		case slog.KindDuration:
			facts[key] = v.Duration().String()
		case slog.KindAny:
			if err, ok := v.Any().(error); ok {
				facts[key] = etl.Storable(err.Error())
				return
			}
			facts[key] = v.Any()
		case slog.KindString:
			facts[key] = etl.Storable(v.String())
		default:
			facts[key] = v.Any()
		}
	}
	for _, a := range attrs {
		enter(a.Key, a.Value)
	}
	r.Attrs(func(a slog.Attr) bool {
		enter(group+a.Key, a.Value)
		return true
	})
	encoded, err := json.Marshal(facts)
	if err != nil { // A value that JSON does not have, such as NaN.
		encoded, _ = json.Marshal(map[string]string{"unencodable": err.Error()}) //nolint:errchkjson // Strings always encode.
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= waitingLog {
		l.lost++
		return
	}
	l.waiting = append(l.waiting, logEntry{run: run, at: r.Time, level: level(r.Level), message: etl.Storable(r.Message), attributes: string(encoded)})
}

func level(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// take returns at most flushLimit entries, the oldest first.
func (l *RunLog) take() (entries []logEntry, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), flushLimit)
	entries, l.waiting = l.waiting[:n:n], l.waiting[n:]
	lost, l.lost = l.lost, 0
	return entries, lost
}

// putBack puts entries that could not be written before those that came since.
func (l *RunLog) putBack(entries []logEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(entries, l.waiting...)
}

// follow writes entries to the target as they come, until ctx ends; what is left
// then is for the last flush.
func (l *RunLog) follow(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := l.flush(ctx, pool); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "writing the logs of runs failed; trying again", "error", err)
		}
	}
}

// flush writes all that waits.
func (l *RunLog) flush(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		entries, lost := l.take()
		if lost > 0 {
			e := logEntry{run: entries[0].run, at: time.Now(), level: "warn", message: "entries were lost", attributes: fmt.Sprintf(`{"lost":%d}`, lost)}
			entries = append(entries, e)
		}
		if len(entries) == 0 {
			return nil
		}
		var p targetdb.AddRunLogParams
		runs := map[int64]bool{}
		for _, e := range entries {
			p.RunIds = append(p.RunIds, e.run.id)
			p.Days = append(p.Days, e.run.day.Format(time.DateOnly))
			p.Times = append(p.Times, e.at)
			p.Levels = append(p.Levels, e.level)
			p.Messages = append(p.Messages, e.message)
			p.Attributes = append(p.Attributes, []byte(e.attributes))
			runs[e.run.id] = true
		}
		db := targetdb.New(pool)
		if _, err := db.AddRunLog(ctx, p); err != nil {
			// What the target refuses, as the log of a run that was removed, it
			// would refuse again.
			switch dberror.Target.Of(err).Class {
			case dberror.Again, dberror.Away, dberror.Cancelled:
				l.putBack(entries)
			case dberror.Never, dberror.Refused, dberror.Unknown:
			}
			return fmt.Errorf("append to the logs of runs: %w", err)
		}
		for id := range runs {
			if _, err := db.TrimRunLog(ctx, targetdb.TrimRunLogParams{RunID: id, Keep: KeptLog}); err != nil {
				return fmt.Errorf("trim the log of run %d: %w", id, err)
			}
		}
	}
}
