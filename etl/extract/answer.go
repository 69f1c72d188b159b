package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/delfos/delfos/gen/sourceclient"
	"github.com/delfos/delfos/internal/apiclient"
)

const (
	// maxAnswer is how many bytes one answer may have: 32 turbines' day at ten
	// samples a second. A longer one is asked for in parts.
	maxAnswer = 1 << 30
	// keptBody is how large an answer's memory may be to be kept for another,
	// and keptBodies how many are kept.
	keptBody, keptBodies = 8 << 20, 4
	// stallTimeout ends a request whose answer does not arrive or stops to.
	stallTimeout = time.Minute
)

// answer is one that has arrived whole.
type answer struct {
	*http.Response

	body   *bytes.Buffer
	digest string // of the body, as the trailer Content-Digest has it
}

// get asks once for a media type, uncompressed, because the digest of an answer is
// over the bytes as sent. size is how many bytes there may be.
func (c *Client) get(ctx context.Context, media string, size int, ask func(sourceclient.RequestEditorFn) (*http.Response, error)) (*answer, error) {
	response, err := ask(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", media)
		r.Header.Set("Accept-Encoding", "identity")
		return nil
	})
	if err != nil {
		return nil, away(ctx, err)
	}
	defer response.Body.Close()
	if code := response.StatusCode; code/100 != 2 && code/100 != 3 {
		return nil, c.refusal(response)
	}
	if err := apiclient.Source().Expect(response, media); err != nil {
		return nil, err
	}
	a := &answer{Response: response, body: c.takeBody()}
	a.body.Grow(size)
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(a.body, hash), io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && n <= maxAnswer {
		a.digest = "sha-256=:" + base64.StdEncoding.EncodeToString(hash.Sum(nil)) + ":"
		return a, nil
	}
	c.free(a)
	if err == nil {
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, err)
}

// verified is get of an answer that has a digest, in its trailers or, over
// HTTP/1.0, its header, which is held against the body. An answer is not decoded
// before that: Arrow's reader trusts the lengths that it finds, and a single bit
// could ask for a terabyte. An *UnverifiedError says that there is no digest.
func (c *Client) verified(ctx context.Context, media string, size int, ask func(sourceclient.RequestEditorFn) (*http.Response, error)) (*answer, error) {
	a, err := c.get(ctx, media, size, ask)
	if err != nil {
		return nil, err
	}
	want := apiclient.Header(a.Response, "Content-Digest")
	if want == a.digest {
		return a, nil
	}
	c.free(a)
	if want == "" {
		return nil, &UnverifiedError{apiclient.Source().NoTrailers(a.Response)}
	}
	return nil, fmt.Errorf("%w: the body's digest is %s, and Content-Digest says %q", ErrBroken, a.digest, want)
}

// counted holds the rows of an answer against Delfos-Rows.
func (a *answer) counted(rows int) error {
	if want := apiclient.Header(a.Response, "Delfos-Rows"); want != strconv.Itoa(rows) {
		return fmt.Errorf("%w: the body has %d rows, and Delfos-Rows says %q", ErrBroken, rows, want)
	}
	return nil
}

// takeBody returns memory for an answer.
func (c *Client) takeBody() *bytes.Buffer {
	select {
	case body := <-c.bodies:
		body.Reset()
		return body
	default:
		return new(bytes.Buffer)
	}
}

// free keeps the memory of an answer for another, unless it is uncommonly large.
func (c *Client) free(a *answer) {
	if a.body.Cap() > keptBody {
		return
	}
	select {
	case c.bodies <- a.body:
	default:
	}
}

// stallGuard is a transport that ends a request when nothing has arrived for some
// time, whether of the answer's header or of its body: a server that hangs must not
// hold a day for ever.
type stallGuard struct {
	base  *http.Transport
	after time.Duration
}

func newStallGuard() *stallGuard {
	return &stallGuard{&http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true, // see get
	}, stallTimeout}
}

// RoundTrip implements http.RoundTripper.
func (g *stallGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(g.after, func() {
		cancel(fmt.Errorf("%w: nothing arrived for %s", ErrAway, g.after))
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
