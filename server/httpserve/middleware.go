package httpserve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"
)

// RequestIDHeader carries the request's id both ways.
const RequestIDHeader = "X-Request-ID"

// WriteTimeout is how long a client may take to accept one write, unless
// Middleware is told otherwise.
const WriteTimeout = 90 * time.Second

// Chain is what Middleware puts around a handler.
type Chain struct {
	Log          *slog.Logger
	WriteTimeout time.Duration // WriteTimeout when 0
	Floor        Floor         // of what a client has to take
	// Fail answers a request whose handler panicked before its first byte.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// ErrPanic is wrapped by the error that a panic becomes.
var ErrPanic = errors.New("panic")

// StatusClientClosed is what the log calls the status of a request whose
// client left before an answer.
const StatusClientClosed = 499

// Middleware gives every request an id, a write deadline that each write moves
// on, a floor below which a slow client is cut off, one log line, and a problem in
// place of a panic.
func (c Chain) Middleware(next http.Handler) http.Handler {
	setDefault(&c.WriteTimeout, WriteTimeout)
	c.Floor = c.Floor.withDefaults()
	causes := &told{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		id := requestID(r.Header.Get(RequestIDHeader))
		w.Header().Set(RequestIDHeader, id)
		rec := &recorder{
			ResponseWriter: w, control: http.NewResponseController(w),
			request: r, timeout: c.WriteTimeout, pace: newPace(c.Floor),
		}
		note := &entry{}
		ctx := context.WithValue(r.Context(), entryKey{}, note)
		aborted := true // unless the handler returns
		defer func() { c.log(ctx, r, rec, note, causes, id, aborted, time.Since(begun)) }()
		c.run(next, rec, r.WithContext(ctx))
		aborted = false
	})
}

// run calls next and turns a panic into an answer, or into an abort once the
// answer has begun.
func (c Chain) run(next http.Handler, w *recorder, r *http.Request) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
			panic(cause)
		}
		err := fmt.Errorf("%w: %v\n%s", ErrPanic, cause, debug.Stack())
		if w.status != 0 {
			Abort(r, err)
		}
		c.Fail(w, r, err)
	}()
	next.ServeHTTP(w, r)
}

func (c Chain) log(ctx context.Context, r *http.Request, w *recorder, e *entry, causes *told, id string, aborted bool, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
		if aborted || r.Context().Err() != nil {
			status = StatusClientClosed
		}
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("query", r.URL.RawQuery),
		slog.Int("status", status),
		slog.Int64("bytes", w.pace.taken),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", id),
		slog.String("remote", r.RemoteAddr),
	}
	if e.sent {
		attrs = append(attrs, slog.Int64("rows", e.rows))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if e.err != nil {
		attrs = append(attrs, slog.String("error", e.err.Error()))
	}
	at := level(r, status, aborted, e.err)
	if at == slog.LevelError && !causes.first(e.cause, time.Now()) {
		at = slog.LevelWarn
	}
	c.Log.LogAttrs(ctx, at, "request", attrs...)
}

// level is that of the log line: a client's doing is no error of the server's,
// and probes that find all well are of no interest.
func level(r *http.Request, status int, aborted bool, err error) slog.Level {
	gone := r.Context().Err() != nil
	switch {
	case errors.Is(err, ErrSlowReader):
		return slog.LevelWarn
	case gone:
		return slog.LevelInfo
	case status >= 500 || aborted:
		return slog.LevelError
	case status >= 400:
		return slog.LevelWarn
	case IsProbe(r.URL.Path):
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// requestID takes the client's id if it is fit for a log, else makes one.
func requestID(given string) string {
	if given == "" || len(given) > 128 {
		return rand.Text()
	}
	for i := range len(given) {
		if given[i] <= ' ' || given[i] > '~' {
			return rand.Text()
		}
	}
	return given
}

// writePiece is how much of an answer one write deadline is for.
const writePiece = 64 << 10

// recorder counts what is written, moves the write deadline on, and cuts off a
// client that is below the floor.
type recorder struct {
	http.ResponseWriter

	control *http.ResponseController
	request *http.Request
	timeout time.Duration
	pace    pace
	status  int
}

// Unwrap lets http.ResponseController reach the connection's own writer.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.extend(0)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	written := 0
	for {
		piece := b[written:min(written+writePiece, len(b))]
		n, err := w.write(piece)
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

// write writes a piece; an error that is the client's pace says so.
func (w *recorder) write(piece []byte) (int, error) {
	w.extend(len(piece))
	begun := time.Now()
	n, err := w.ResponseWriter.Write(piece)
	slow := w.pace.count(n, time.Since(begun))
	if slow == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		slow = fmt.Errorf("%w: it did not take %d bytes within %s", ErrSlowReader, len(piece), w.timeout)
	}
	if slow == nil {
		return n, err
	}
	// What the kernel still holds for the client would keep it reading for
	// minutes before it learns that its answer is cut off.
	reset(w.request)
	return n, slow
}

// Flush implements http.Flusher.
func (w *recorder) Flush() { _ = w.control.Flush() }

// extend gives the client the time anew that it may take for so many bytes. A
// writer without deadlines (a test's) does without.
func (w *recorder) extend(bytes int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(min(w.timeout, w.pace.patience(bytes))))
}
