package etl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stallGuard is a transport that ends a request when nothing has arrived for
// some time, be it the answer's header or the rest of its body: a server that
// hangs must not hold a day for ever.
type stallGuard struct {
	base  http.RoundTripper
	after time.Duration
}

// RoundTrip implements http.RoundTripper.
func (g *stallGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(g.after, func() {
		cancel(fmt.Errorf("%w: nothing arrived for %s", ErrSourceAway, g.after))
	})
	response, err := g.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	response.Body = &guardedBody{response.Body, g.after, timer, ctx, cancel}
	return response, nil
}

// guardedBody is the body of an answer under a stallGuard.
type guardedBody struct {
	io.ReadCloser

	after  time.Duration
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Read implements io.Reader.
func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.timer.Reset(b.after)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err //nolint:wrapcheck // A reader's callers look for io.EOF.
}

// Close implements io.Closer.
func (b *guardedBody) Close() error {
	b.timer.Stop()
	defer b.cancel(nil)
	return b.ReadCloser.Close() //nolint:wrapcheck // Nothing was being done.
}
