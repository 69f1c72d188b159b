package httpserve_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/httpserve"
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

func TestServeBreaksOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := false
	options := quiet()
	options.DrainTimeout = time.Millisecond
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
			ended = true
		}), options)
	}()
	if _, _, err := get(t, "http://"+ln.Addr().String(), nil); err == nil {
		t.Error("the request was answered")
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if !ended {
		t.Error("Serve returned before its handler")
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
