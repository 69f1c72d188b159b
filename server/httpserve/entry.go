package httpserve

import (
	"context"
	"net/http"
	"sync"
	"time"
)

type entryKey struct{}

// entry is what a handler adds to its request's log line.
type entry struct {
	err   error
	cause string // shared by all requests that fail for the same reason
	rows  int64
	sent  bool // rows says something
}

// Note adds the cause of a failure to the log line; the first one stays.
func Note(ctx context.Context, err error) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok && e.err == nil {
		e.err = err
	}
}

// NoteCause says that the request failed for a reason that others will fail for
// as well, such as a database that is away: one line at level ERROR is enough
// for all of them.
func NoteCause(ctx context.Context, cause string) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok && e.cause == "" {
		e.cause = cause
	}
}

// told keeps the causes that were logged at level ERROR, with the time of it.
type told struct {
	mu    sync.Mutex
	times map[string]time.Time
}

// tellEvery is how long a cause that was logged at level ERROR is not logged at
// it again.
const tellEvery = 10 * time.Minute

// first reports whether a cause is to be told now. Causes are few: those of
// NoteCause's callers.
func (t *told) first(cause string, now time.Time) bool {
	if cause == "" {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.times[cause]; ok && now.Sub(last) < tellEvery {
		return false
	}
	if t.times == nil {
		t.times = map[string]time.Time{}
	}
	t.times[cause] = now
	return true
}

// NoteRows adds the number of rows sent to the log line.
func NoteRows(ctx context.Context, rows int64) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		e.rows, e.sent = rows, true
	}
}

// Begun says whether any of the answer was handed on already, so that another
// answer can't take its place. w is the writer that Middleware made or one
// that unwraps to it.
func Begun(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case *recorder:
			return t.status != 0
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
