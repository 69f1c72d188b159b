package extract

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/delfos/delfos/internal/apiclient"
)

// Retry bounds the attempts at one request of the source API. Waits grow from
// First by half to Longest, with jitter; a Retry-After of the server's is
// obeyed instead, up to Obey.
type Retry struct {
	Attempts       uint
	First, Longest time.Duration
	Obey           time.Duration
}

// DefaultRetry gives up after about three seconds of refusals, or five minutes
// of 503s that ask to wait.
func DefaultRetry() Retry {
	return Retry{Attempts: 6, First: 250 * time.Millisecond, Longest: 5 * time.Second, Obey: time.Minute}
}

// ErrAway is wrapped by errors that concern the source API as a whole,
// not what was asked of it: it refuses connections or says that it can't serve.
var ErrAway = errors.New("the source API is away")

// ErrBroken is wrapped by answers that ended early or don't add up. They are
// worth another try.
var ErrBroken = errors.New("broken answer")

// UnverifiedError is an answer that ended cleanly and has nothing to tell whether it
// is whole. A fault of the wire may take the trailers once; what takes them twice
// takes them always, from every turbine.
type UnverifiedError struct{ cause error }

func (e *UnverifiedError) Error() string { return e.cause.Error() }
func (e *UnverifiedError) Unwrap() error { return e.cause }

// StatusError is an answer other than 200.
type StatusError struct {
	Code   int
	detail string
	after  time.Duration
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code))
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// Unwrap tells backoff how long to wait, and callers that the API is away.
func (e *StatusError) Unwrap() []error {
	var causes []error
	if e.after > 0 {
		causes = append(causes, &backoff.RetryAfterError{Duration: e.after})
	}
	switch e.Code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		causes = append(causes, ErrAway)
	}
	return causes
}

// away marks an error of the connection, unless the caller gave up.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%w: %w%s", ErrAway, err, apiclient.Through(asked.URL))
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// Retriable reports whether another try may end otherwise: not when the server
// refuses what was asked, or isn't the one that its certificate should name.
func Retriable(err error) bool {
	var certificate *tls.CertificateVerificationError
	var handshake tls.RecordHeaderError
	if errors.As(err, &certificate) || errors.As(err, &handshake) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	return errors.Is(err, ErrAway) || errors.Is(err, ErrBroken)
}

// retryAfter reads a Retry-After header, in seconds or as a date; 0 if there is
// none.
func retryAfter(header http.Header, now time.Time, longest time.Duration) time.Duration {
	value := header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(longest/time.Second)+1)) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longest)
}
