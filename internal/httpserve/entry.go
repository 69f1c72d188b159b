package httpserve

import (
	"context"
	"net/http"
)

type entryKey struct{}

// entry is what a handler adds to its request's log line.
type entry struct {
	err  error
	rows int64
	sent bool // rows says something
}

// Note adds the cause of a failure to the log line; the first one stays.
func Note(ctx context.Context, err error) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok && e.err == nil {
		e.err = err
	}
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
