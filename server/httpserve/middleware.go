package httpserve

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/delfos/delfos/internal/actor"
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
	Metrics      *Metrics      // nil: requests are not counted
	// Fail answers a request whose handler panicked before its first byte.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// ErrPanic is wrapped by the error that a panic becomes.
var ErrPanic = errors.New("panic")

// StatusClientClosed is the status in the log line of a request whose client left
// before an answer.
const StatusClientClosed = 499

// Middleware gives every request an id, a write deadline that each write moves on, a
// floor below which a slow client is cut off, one log line, and a problem in place of a
// panic.
func (c Chain) Middleware(next http.Handler) http.Handler {
	causes := &loggedCauses{times: map[string]time.Time{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		c.Metrics.begin()
		id := requestID(r.Header.Get(RequestIDHeader))
		w.Header().Set(RequestIDHeader, id)
		a := &answer{
			ResponseWriter: w, control: http.NewResponseController(w),
			timeout: cmp.Or(c.WriteTimeout, WriteTimeout), pace: newPace(c.Floor),
		}
		ctx := context.WithValue(actor.WithRequest(r.Context(), id), answerKey{}, a)
		a.request = r.WithContext(ctx)
		aborted := true // unless the handler returns
		defer func() { c.log(ctx, a, causes, id, aborted, time.Since(begun)) }()
		c.run(next, a)
		aborted = false
	})
}

// run calls next and turns a panic into an answer, or into an abort once the
// answer has begun.
func (c Chain) run(next http.Handler, a *answer) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
			panic(cause)
		}
		err := fmt.Errorf("%w: %v\n%s", ErrPanic, cause, debug.Stack())
		if a.status != 0 {
			Abort(a.request, err)
		}
		c.Fail(a, a.request, err)
	}()
	next.ServeHTTP(a, a.request)
}

func (c Chain) log(ctx context.Context, a *answer, causes *loggedCauses, id string, aborted bool, took time.Duration) {
	r, status := a.request, a.status
	if status == 0 {
		status = http.StatusOK
		if aborted || r.Context().Err() != nil {
			status = StatusClientClosed
		}
	}
	c.Metrics.end(a, status, aborted, took)
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("query", r.URL.RawQuery),
		slog.Int("status", status),
		slog.Int64("bytes", a.pace.taken),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", id),
		slog.String("remote", r.RemoteAddr),
	}
	if a.operation != "" {
		attrs = append(attrs, slog.String("operation", a.operation))
	}
	if a.actor != "" {
		attrs = append(attrs, slog.String("actor", a.actor))
	}
	if a.hasRows {
		attrs = append(attrs, slog.Int64("rows", a.rows))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", a.err.Error()))
	}
	at := level(r, status, aborted, a.err)
	if at == slog.LevelError && !causes.isNew(a.cause) {
		at = slog.LevelWarn
	}
	c.Log.LogAttrs(ctx, at, "request", attrs...)
}

// level is that of the log line: what a client does is not an error of the
// server, and a probe that finds all well is of no interest.
func level(r *http.Request, status int, aborted bool, err error) slog.Level {
	switch {
	case errors.Is(err, ErrSlowReader):
		return slog.LevelWarn
	case r.Context().Err() != nil: // the client has left
		return slog.LevelInfo
	case status >= 500 || aborted:
		return slog.LevelError
	case status >= 400:
		return slog.LevelWarn
	case isProbe(r.URL.Path):
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// loggedCauses are the causes that were logged at level ERROR, with the time of it.
type loggedCauses struct {
	mu    sync.Mutex
	times map[string]time.Time // few: the causes of NoteCause's callers
}

// isNew reports whether a cause was not logged at level ERROR in the last ten
// minutes, and keeps that it is logged now.
func (l *loggedCauses) isNew(cause string) bool {
	if cause == "" {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.times[cause]) < 10*time.Minute {
		return false
	}
	l.times[cause] = time.Now()
	return true
}

// requestID is the client's id if it is fit for a log, or else a new one.
func requestID(given string) string {
	unfit := func(c rune) bool { return c <= ' ' || c > '~' }
	if given == "" || len(given) > 128 || strings.ContainsFunc(given, unfit) {
		return rand.Text()
	}
	return given
}

type answerKey struct{}

// answer is the writer of a request's answer. It counts what is written, moves the
// write deadline on, and cuts off a client that is below the floor. It also holds
// what handlers note for the request's log line.
type answer struct {
	http.ResponseWriter

	control *http.ResponseController
	request *http.Request
	timeout time.Duration
	pace    pace
	status  int

	operation string // of the contract, if one answers
	err       error
	cause     string // shared by all requests that fail for the same reason
	actor     string
	rows      int64
	hasRows   bool
}

// answerOf is the answer to the request of a context. Outside of Middleware it is
// one that nobody reads.
func answerOf(ctx context.Context) *answer {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		return a
	}
	return &answer{}
}

// Note adds the cause of a failure to the log line; the first one stays.
func Note(ctx context.Context, err error) {
	if a := answerOf(ctx); a.err == nil {
		a.err = err
	}
}

// NoteCause says that the request failed for a reason that others will fail for
// as well, such as a database that is away: one line at level ERROR is enough
// for all of them.
func NoteCause(ctx context.Context, cause string) {
	a := answerOf(ctx)
	a.cause = cmp.Or(a.cause, cause)
}

// NoteActor adds who asks to the log line.
func NoteActor(ctx context.Context, actor string) { answerOf(ctx).actor = actor }

// NoteRows adds the number of rows sent to the log line.
func NoteRows(ctx context.Context, rows int64) {
	a := answerOf(ctx)
	a.rows, a.hasRows = rows, true
}

// Begun reports whether a part of the answer to r was handed on already, so that
// another answer can't take its place.
func Begun(r *http.Request) bool { return answerOf(r.Context()).status != 0 }

// Unwrap lets http.ResponseController reach the connection's own writer.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.extend(0)
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	const perDeadline = 64 << 10
	a.status = cmp.Or(a.status, http.StatusOK)
	written := 0
	for {
		n, err := a.write(b[written:min(written+perDeadline, len(b))])
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

// write writes a piece. Its error wraps ErrSlowReader if the client is too slow.
func (a *answer) write(piece []byte) (int, error) {
	a.extend(len(piece))
	begun := time.Now()
	n, err := a.ResponseWriter.Write(piece)
	slow := a.pace.count(n, time.Since(begun))
	if slow == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		slow = fmt.Errorf("%w: it did not take %d bytes within %s", ErrSlowReader, len(piece), a.timeout)
	}
	if slow == nil {
		return n, err
	}
	// What the kernel still holds for the client would keep it reading for
	// minutes before it learns that its answer is cut off.
	reset(a.request)
	return n, slow
}

func (a *answer) Flush() { _ = a.control.Flush() }

// extend sets the deadline of a write of so many bytes. The writer of a test has
// no deadlines, and its error is dropped.
func (a *answer) extend(bytes int) {
	_ = a.control.SetWriteDeadline(time.Now().Add(min(a.timeout, a.pace.patience(bytes))))
}

// Abort breaks off an answer that has begun and never returns: the client sees
// no clean end of the stream. err goes to the request's log line. HTTP/1.0 ends
// a body by closing the connection, so there it is reset instead.
func Abort(r *http.Request, err error) {
	Note(r.Context(), err)
	if !r.ProtoAtLeast(1, 1) {
		reset(r)
	}
	panic(http.ErrAbortHandler)
}

type connKey struct{}

// reset makes the request's connection end in a reset when it is closed. One of HTTP/2
// has other requests, and resets the stream by itself.
func reset(r *http.Request) {
	if r.ProtoMajor > 1 {
		return
	}
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		resetOnClose(conn)
	}
}

// resetOnClose makes the client see an error where it would see an end, and throws
// away what it has not taken yet.
func resetOnClose(conn net.Conn) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
}

// HeadAsGet is a middleware of a chi router that sends HEAD wherever GET goes;
// the router has no routes of its own for HEAD. chi/middleware.GetHead does the
// same, but its package links profilers and templates into every command.
func HeadAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

type requestKey struct{}

// WithRequest puts the request into its context: strict handlers get only their
// parameters, and need Accept, the method and the protocol's version as well.
func WithRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

// RequestOf is the request that WithRequest put into the context.
func RequestOf(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	return r
}
