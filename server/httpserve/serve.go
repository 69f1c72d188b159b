// Package httpserve is what both servers of Delfos share of HTTP: the loop that
// serves a listener and drains it, and the middlewares around every handler
// (request id, log line, write deadline, panics). It does not decide what an
// answer says.
package httpserve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Options bound what a client may cost. Zero fields take the defaults named.
type Options struct {
	Log *slog.Logger // slog.Default()

	ReadTimeout    time.Duration // 30 s for the whole request
	MaxHeaderBytes int           // 64 KiB
	DrainTimeout   time.Duration // 10 s for requests in flight when ctx ends

	Certificate *Certificate // nil: there is no TLS

	// Leaving is closed some time before ctx ends, when the server has been told
	// to stop and still answers; nil: never. See Leaving.
	Leaving <-chan struct{}
}

// Serve answers on ln until ctx ends, then lets the requests in flight finish for
// Options.DrainTimeout and breaks off the rest. It returns when no handler runs any more:
// nil after a drain, also a broken one, and an error when the listener fails.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, options Options) error {
	log, drainTimeout := cmp.Or(options.Log, slog.Default()), cmp.Or(options.DrainTimeout, 10*time.Second)
	// Requests outlive ctx until the drain's bound.
	base, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), leavingKey{}, options.Leaving))
	defer cancel()
	open := &conns{fresh: make(map[net.Conn]bool)}
	srv := &http.Server{
		Handler:           open.handle(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       cmp.Or(options.ReadTimeout, 30*time.Second),
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    cmp.Or(options.MaxHeaderBytes, 64<<10),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ConnState: open.track,
	}
	served := make(chan error, 1)
	go func() { served <- options.Certificate.serve(srv, ln) }() //nolint:contextcheck // Handshakes have contexts of their own.

	select {
	case err := <-served:
		open.breakOff(srv)
		cancel()
		open.running.Wait()
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(base, drainTimeout)
	defer stop()
	open.closeFresh()
	if err := srv.Shutdown(drain); err != nil {
		log.WarnContext(ctx, "requests in flight are broken off", "after", drainTimeout, "error", err)
		open.breakOff(srv)
		cancel()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		log.WarnContext(ctx, "the listener failed while it was closed", "error", err)
	}
	open.running.Wait()
	return nil
}

// conns are the open connections. Those that have not sent a request yet are
// fresh: Shutdown would wait five seconds for each, and browsers keep some in
// stock.
type conns struct {
	running  sync.WaitGroup // one for each connection that is not closed, and each handler that runs
	mu       sync.Mutex
	fresh    map[net.Conn]bool
	draining bool
}

// handle counts handlers: those of HTTP/2 may outlive their connection. Clients open a new
// connection for their next request once the server is about to stop: by then it may go to
// another.
func (c *conns) handle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.running.Add(1)
		defer c.running.Done()
		if Leaving(r.Context()) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

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

type leavingKey struct{}

// Leaving reports whether the server of a request has been told to stop. It still
// answers for a while (SHUTDOWN_DELAY), and /ready says no, so that whoever sends
// it requests can turn to another.
func Leaving(ctx context.Context) bool {
	leaving, _ := ctx.Value(leavingKey{}).(<-chan struct{})
	select {
	case <-leaving:
		return true
	default: // also when there is no such channel
		return false
	}
}

// Certificate is a certificate with its key, which are read from their files anew once
// these change. What cannot be used then leaves the old ones in place.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu    sync.Mutex
	tried [2]fs.FileInfo // the files when they were last read; nil: could not be looked at
	pair  *tls.Certificate
}

// OpenCertificate reads a certificate, with those that lead to its issuer, and its key, both in PEM.
// The error says which file is wrong, and how.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.tried = c.look()
	var err error
	c.pair, err = c.read()
	return c, err
}

func (c *Certificate) read() (*tls.Certificate, error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return nil, fmt.Errorf("read TLS_CERT_FILE: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("read TLS_KEY_FILE: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT_FILE %s and TLS_KEY_FILE %s are not a certificate and its key in PEM: %w", c.certFile, c.keyFile, err)
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		return nil, fmt.Errorf("TLS_CERT_FILE %s holds a certificate that ended at %s: renew it", c.certFile, end.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

func (c *Certificate) look() (files [2]fs.FileInfo) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			files[i] = info
		}
	}
	return files
}

// current is the certificate for the next handshake.
func (c *Certificate) current(ctx context.Context) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := c.look()
	if same(files[0], c.tried[0]) && same(files[1], c.tried[1]) {
		return c.pair
	}
	c.tried = files
	pair, err := c.read()
	if err != nil {
		c.log.ErrorContext(ctx, "the new certificate cannot be used; the old one stays", "error", err, "until", c.pair.Leaf.NotAfter)
		return c.pair
	}
	c.log.InfoContext(ctx, "took a new certificate", "file", c.certFile, "until", pair.Leaf.NotAfter)
	c.pair = pair
	return pair
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// serve is srv.Serve, by TLS 1.2 or later with HTTP/1.1 and HTTP/2 unless c is nil.
func (c *Certificate) serve(srv *http.Server, ln net.Listener) error {
	if c == nil {
		return srv.Serve(ln) //nolint:wrapcheck // Serve does, and looks for http.ErrServerClosed.
	}
	srv.TLSConfig = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(hello.Context()), nil },
	}
	return srv.ServeTLS(ln, "", "") //nolint:wrapcheck // As above.
}
