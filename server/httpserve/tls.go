package httpserve

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

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

// look is what the files are like now.
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
