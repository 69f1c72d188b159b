package etl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
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

// ErrSourceAway is wrapped by errors that concern the source API as a whole,
// not what was asked of it: it refuses connections or says that it can't serve.
var ErrSourceAway = errors.New("the source API is away")

// errBroken is wrapped by answers that ended early or don't add up. They are
// worth another try.
var errBroken = errors.New("broken answer")

// untoldError is an answer that ended cleanly and has nothing to tell whether it
// is whole. A fault of the wire may take the trailers once; what takes them twice
// takes them always, from every turbine.
type untoldError struct{ cause error }

func (e *untoldError) Error() string { return e.cause.Error() }
func (e *untoldError) Unwrap() error { return e.cause }

// statusError is an answer other than 200.
type statusError struct {
	status int
	detail string
	after  time.Duration
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// Unwrap tells backoff how long to wait, and callers that the API is away.
func (e *statusError) Unwrap() []error {
	var causes []error
	if e.after > 0 {
		causes = append(causes, &backoff.RetryAfterError{Duration: e.after})
	}
	if e.temporary() {
		causes = append(causes, ErrSourceAway)
	}
	return causes
}

func (e *statusError) temporary() bool {
	switch e.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retriable tells whether another try may end otherwise: not when the server
// refuses what was asked, or isn't the one that its certificate should name.
func retriable(err error) bool {
	var certificate *tls.CertificateVerificationError
	var handshake tls.RecordHeaderError
	if errors.As(err, &certificate) || errors.As(err, &handshake) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	return errors.Is(err, ErrSourceAway) || errors.Is(err, errBroken)
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

// again is r for a part of what has failed with r: there is less patience left.
func (r Retry) again() Retry {
	r.Attempts = (r.Attempts + 1) / 2
	return r
}

// try runs attempt until it succeeds, fails for good, or r is exhausted.
func try[T any](ctx context.Context, r Retry, log *slog.Logger, attempt func() (T, error)) (T, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = r.First, r.Longest
	attempts, untold := 0, 0
	v, err := backoff.Retry(ctx, func() (T, error) {
		attempts++
		v, err := attempt()
		_, isUntold := errors.AsType[*untoldError](err)
		if isUntold {
			untold++
		}
		if err != nil && !retriable(err) && (!isUntold || untold > 1) {
			err = backoff.Permanent(err)
		}
		return v, err
	},
		backoff.WithBackOff(wait), backoff.WithMaxTries(r.Attempts), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			log.WarnContext(ctx, "the source API failed; trying again", "error", err, "attempt", attempts, "wait", wait.Round(time.Millisecond).String())
		}))
	if err != nil && attempts > 1 && ctx.Err() == nil {
		err = fmt.Errorf("%w (%d attempts)", err, attempts)
	}
	return v, err
}
