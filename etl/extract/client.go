// Package extract reads days from the source API, as rows or as windows.
//
//	windows.go  the windows (etl/window) and checks (etl/check) of groups of turbines
//	digest.go   the digests of days, without their rows
//	samples.go  the turbines, and samples one by one: the rows of an Arrow stream
//	client.go   the client: an answer over HTTP, whole and verified by its digest
//	retry.go    what can go wrong, and when another try is worth it
//
// The streamed operations answer with an iterator, which ends in an error unless
// the answer was whole: its rows and its digest must agree with its trailers.
// Samples asks once, and Try asks again.
package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

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
	stallTimeout         = time.Minute
)

// Client asks the source API. It is safe for concurrent use.
type Client struct {
	api    *sourceclient.Client
	guard  *stallGuard
	retry  Retry
	bodies chan *bytes.Buffer // to be taken; not a sync.Pool, which each garbage collection empties
	log    *slog.Logger

	retried *atomic.Int64 // requests; shared with the client's copies
}

// New returns a Client of the source API at a URL, to be closed after use, with
// DefaultRetry if retry is zero; the error is of the URL.
func New(url string, token apiclient.Token, retry Retry, log *slog.Logger) (*Client, error) {
	if retry == (Retry{}) {
		retry = DefaultRetry()
	}
	guard := newStallGuard()
	api, err := sourceclient.NewClient(url, sourceclient.WithHTTPClient(apiclient.New(guard, 0)))
	if err != nil {
		return nil, fmt.Errorf("source API %s: %w", url, err)
	}
	api.RequestEditors = []sourceclient.RequestEditorFn{apiclient.Source().Authorize(token)}
	return &Client{api: api, guard: guard, retry: retry, bodies: make(chan *bytes.Buffer, keptBodies), log: log, retried: new(atomic.Int64)}, nil
}

// Retried is how many requests were made again because they had failed.
func (c *Client) Retried() int64 { return c.retried.Load() }

// Close closes idle connections.
func (c *Client) Close() { c.guard.base.CloseIdleConnections() }

// Once is the client with the patience for one attempt.
func (c *Client) Once() *Client {
	once := *c
	once.retry.Attempts = 1
	return &once
}

// Try runs attempt until it succeeds, fails for good, or the client's patience is
// exhausted.
func Try[T any](ctx context.Context, c *Client, attempt func() (T, error)) (T, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = c.retry.First, c.retry.Longest
	attempts, unverified := 0, 0
	v, err := backoff.Retry(ctx, func() (T, error) {
		attempts++
		v, err := attempt()
		_, isUnverified := errors.AsType[*UnverifiedError](err)
		if isUnverified {
			unverified++
		}
		if err != nil && !Retriable(err) && (!isUnverified || unverified > 1) {
			err = backoff.Permanent(err)
		}
		return v, err
	},
		backoff.WithBackOff(wait), backoff.WithMaxTries(c.retry.Attempts), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.retried.Add(1)
			c.log.WarnContext(ctx, "the source API failed; trying again", "error", err, "attempt", attempts, "wait", wait.Round(time.Millisecond).String())
		}))
	if err != nil && attempts > 1 && ctx.Err() == nil {
		err = fmt.Errorf("%w (%d attempts)", err, attempts)
	}
	return v, err
}

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
	if e, ok := errors.AsType[*apiclient.Error](err); ok {
		return nil, e // of the token's file
	}
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

func (c *Client) refusal(response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return &StatusError{
		Code:   response.StatusCode,
		detail: apiclient.Source().Detail(response, body),
		after:  retryAfter(response.Header, time.Now(), c.retry.Obey),
	}
}

// verified is get of an answer that has a digest, which is held against the body before
// anything is decoded: Arrow's reader trusts the lengths that it finds, and a single bit
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

type guardedBody struct {
	io.ReadCloser

	after  time.Duration
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

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

func (b *guardedBody) Close() error {
	b.timer.Stop()
	defer b.cancel(nil)
	return b.ReadCloser.Close() //nolint:wrapcheck // Nothing was being done.
}
