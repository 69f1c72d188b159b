// Package httpserve is what both servers of Delfos share of HTTP: the loop that
// serves a listener and drains it, and the middlewares around every handler
// (request id, log line, write deadline, panics). What a handler says is no
// concern of it.
package httpserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options bound what a client may cost. Zero fields take the defaults named.
type Options struct {
	Log *slog.Logger // slog.Default()

	ReadHeaderTimeout time.Duration // 5 s for the request's head
	ReadTimeout       time.Duration // 30 s for the whole request
	IdleTimeout       time.Duration // 2 min between two requests
	MaxHeaderBytes    int           // 64 KiB
	DrainTimeout      time.Duration // 10 s for requests in flight when ctx ends

	// Leaving is closed some time before ctx ends, when the server has been told
	// to stop and still answers; nil: never. See Leaving.
	Leaving <-chan struct{}
}

func (o Options) withDefaults() Options {
	setDefault(&o.ReadHeaderTimeout, 5*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	setDefault(&o.MaxHeaderBytes, 64<<10)
	setDefault(&o.DrainTimeout, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Serve answers on ln until ctx ends, then stops listening, lets the requests
// in flight finish for Options.DrainTimeout and breaks off the rest. It
// returns when no handler runs any more: nil after a drain, also a broken one
// (the log says so), and an error when the listener fails.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, options Options) error {
	options = options.withDefaults()
	// Requests outlive ctx until the drain's bound.
	base, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), leavingKey{}, options.Leaving))
	defer cancel()
	open := newConns()
	srv := &http.Server{
		Handler:           parting(handler),
		ReadHeaderTimeout: options.ReadHeaderTimeout,
		ReadTimeout:       options.ReadTimeout,
		IdleTimeout:       options.IdleTimeout,
		MaxHeaderBytes:    options.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(options.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withConn,
		ConnState:         open.track,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()

	select {
	case err := <-served:
		open.breakOff(srv)
		cancel()
		open.wait()
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(base, options.DrainTimeout)
	defer stop()
	open.closeFresh()
	if err := srv.Shutdown(drain); err != nil {
		options.Log.WarnContext(ctx, "requests in flight are broken off", "after", options.DrainTimeout, "error", err)
		open.breakOff(srv)
		cancel()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		options.Log.WarnContext(ctx, "the listener failed while it was closed", "error", err)
	}
	open.wait()
	return nil
}

// conns are the open connections. Those that have not sent a request yet are
// told apart: Shutdown would wait five seconds for each, and browsers keep some
// in stock.
type conns struct {
	running  sync.WaitGroup
	mu       sync.Mutex
	fresh    map[net.Conn]bool
	draining bool
}

func newConns() *conns { return &conns{fresh: make(map[net.Conn]bool)} }

// track is the server's ConnState hook. A connection is new before its
// goroutine starts and closed after its handler has returned.
func (c *conns) track(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.running.Add(1)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fresh[conn] = true
		if c.draining {
			_ = conn.Close()
		}
	case http.StateActive, http.StateIdle:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fresh[conn] = false
	case http.StateHijacked, http.StateClosed:
		c.mu.Lock()
		delete(c.fresh, conn)
		c.mu.Unlock()
		c.running.Done()
	}
}

// closeFresh closes the connections without a request, now and from now on.
func (c *conns) closeFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for conn, fresh := range c.fresh {
		if fresh {
			_ = conn.Close()
		}
	}
}

// breakOff resets every connection with a request, before the handlers are told
// that their time is over: what one still says then can't pass for an answer,
// nor the half of one for the whole, whose end HTTP/1.0 marks by closing.
func (c *conns) breakOff(srv *http.Server) {
	c.mu.Lock()
	for conn, fresh := range c.fresh {
		if !fresh {
			resetOnClose(conn)
		}
	}
	c.mu.Unlock() // closing calls track
	_ = srv.Close()
}

// wait returns when every connection is closed; the listener must be already.
func (c *conns) wait() { c.running.Wait() }
