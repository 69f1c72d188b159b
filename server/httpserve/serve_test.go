package httpserve_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/server/httpserve"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func quiet() httpserve.Options { return httpserve.Options{Log: slog.New(slog.DiscardHandler)} }

func TestServeLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun, proceed := make(chan struct{}), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-proceed
			if r.Context().Err() != nil {
				t.Error("the drain cancelled a request in flight")
			}
			_, _ = io.WriteString(w, "done")
		}), quiet())
	}()
	got := make(chan string, 1)
	go func() {
		_, body, err := get(t, "http://"+ln.Addr().String(), nil)
		if err != nil {
			t.Error(err)
		}
		got <- body
	}()
	<-begun
	cancel()
	close(proceed)
	if body := <-got; body != "done" {
		t.Errorf("got %q", body)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// watched is a listener whose connections say when the server closes them.
type watched struct {
	net.Listener

	closing func()
}

func (l watched) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		conn = &watchedConn{TCPConn: tcp, closing: sync.OnceFunc(l.closing)}
	}
	return conn, err
}

type watchedConn struct {
	*net.TCPConn

	closing func()
}

func (c *watchedConn) Close() error {
	c.closing()
	return c.TCPConn.Close()
}

// The connection is closed before the handler learns that its time is over:
// what it does then can't be taken for an answer, nor what it sent before for
// a whole one, which HTTP/1.0 ends by closing.
func TestServeBreaksOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ request, sent string }{
		"before the first byte":   {"GET / HTTP/1.1\r\nHost: delfos\r\n\r\n", ""},
		"in the middle":           {"GET / HTTP/1.1\r\nHost: delfos\r\n\r\n", "half"},
		"in the middle, HTTP/1.0": {"GET / HTTP/1.0\r\n\r\n", "half"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			requests := make(chan *http.Request, 1)
			ln := watched{listen(t), func() {
				if r := <-requests; r.Context().Err() != nil {
					t.Error("the handler was told before its connection was closed")
				}
			}}
			arrived := make(chan struct{})
			ended := false
			options := quiet()
			options.DrainTimeout = time.Millisecond
			served := make(chan error, 1)
			go func() {
				served <- httpserve.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests <- r
					if tc.sent != "" {
						_, _ = io.WriteString(w, tc.sent)
						_ = http.NewResponseController(w).Flush()
						<-arrived
					}
					cancel()
					<-r.Context().Done()
					ended = true
				}), options)
			}()
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 0, 512)
			for !strings.Contains(string(got), tc.sent) {
				n, err := conn.Read(got[len(got):cap(got)])
				if got = got[:len(got)+n]; err != nil {
					t.Fatalf("got %q and %v", got, err)
				}
			}
			close(arrived)
			rest, err := io.ReadAll(conn)
			if len(rest) > 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q and %v, want nothing more and a reset", rest, err)
			}
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if !ended {
				t.Error("Serve returned before its handler")
			}
		})
	}
}

// A connection without a request does not hold the drain up.
func TestServeDropsIdleConnections(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	options := quiet()
	options.DrainTimeout = time.Hour
	served := make(chan error, 1)
	go func() { served <- httpserve.Serve(ctx, ln, http.NotFoundHandler(), options) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, _, err := get(t, "http://"+ln.Addr().String(), nil); err != nil {
		t.Fatal(err) // by now the first connection is accepted too
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
}

func TestServeReportsItsListener(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	err := httpserve.Serve(t.Context(), ln, http.NotFoundHandler(), quiet())
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("got %v, want an error that names %s", err, ln.Addr())
	}
}

func TestServeBoundsTheHead(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	options := quiet()
	options.MaxHeaderBytes = 1 << 10
	served := make(chan error, 1)
	go func() { served <- httpserve.Serve(ctx, ln, http.NotFoundHandler(), options) }()
	resp, _, err := get(t, "http://"+ln.Addr().String(), http.Header{"X": {strings.Repeat("x", 64<<10)}})
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s", resp.Status)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Between the order to stop and the drain a server answers, and says that it is
// about to go.
func TestServeAnswersWhileItLeaves(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, drain := context.WithCancel(t.Context())
	defer drain()
	leaving := make(chan struct{})
	options := quiet()
	options.Leaving = leaving
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strconv.FormatBool(httpserve.Leaving(r.Context())))
		}), options)
	}()
	ask := func(want string, closes bool) {
		t.Helper()
		resp, body, err := get(t, "http://"+ln.Addr().String(), nil)
		if err != nil || body != want || resp.Close != closes {
			t.Errorf("got %q and %v, want leaving %s and the connection closed %t", body, err, want, closes)
		}
	}
	ask("false", false)
	close(leaving)
	ask("true", true)
	ask("true", true)
	drain()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, _, err := get(t, "http://"+ln.Addr().String(), nil); err == nil {
		t.Error("the server answers after its drain")
	}
}
