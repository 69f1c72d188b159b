package verify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/timestamp"
)

const (
	// requestTimeout bounds one request, of a turbine's day at most.
	requestTimeout = time.Minute
	// attempts bounds the tries at one request, and firstWait is the wait before
	// the second: it is given up after some three seconds.
	attempts  = 5
	firstWait = 250 * time.Millisecond
	// maxAnswer is how many bytes one answer may have: a turbine's day at a
	// hundred samples a second.
	maxAnswer = 1 << 29
)

// ErrSourceAway is wrapped when the source API can't be reached or can't serve.
var ErrSourceAway = errors.New("the source API is away")

// errBroken is wrapped by answers that are not whole or no answers.
var errBroken = errors.New("broken answer")

// source reads the source API.
type source struct {
	client *sourceapi.Client
	wait   time.Duration // before the second try; it grows from try to try
	log    *slog.Logger
}

func newSource(url string, transport http.RoundTripper, log *slog.Logger) (*source, error) {
	client, err := sourceapi.NewClient(url, sourceapi.WithHTTPClient(apiclient.New(transport, requestTimeout)))
	if err != nil {
		return nil, fmt.Errorf("source API %s: %w", url, err)
	}
	return &source{client: client, wait: firstWait, log: log}, nil
}

// turbines lists the ids of the source's turbines, ascending.
func (s *source) turbines(ctx context.Context) ([]int32, error) {
	var turbines []sourceapi.Turbine
	err := s.get(ctx, "application/json", func(e sourceapi.RequestEditorFn) (*http.Response, error) {
		return s.client.ListTurbines(ctx, &sourceapi.ListTurbinesParams{}, e)
	}, func(response *http.Response, body []byte) error {
		if !json.Valid(body) { // cut off, where a body ends with its connection
			return fmt.Errorf("%w: the list of turbines is not JSON", errBroken)
		}
		return apiclient.Source().Decode(response, body, &turbines)
	})
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	ids := make([]int32, len(turbines))
	for i, t := range turbines {
		ids[i] = t.Id
	}
	slices.Sort(ids)
	return ids, nil
}

// read returns the readings of a turbine's day. The answer counts only when it
// ends in trailers that agree with its bytes and its rows.
func (s *source) read(ctx context.Context, day time.Time, turbine int32) (windows []readings, err error) {
	start, end := bounds(day)
	turbines := []sourceapi.TurbineSelector{strconv.Itoa(int(turbine))}
	err = s.get(ctx, "text/csv", func(e sourceapi.RequestEditorFn) (*http.Response, error) {
		return s.client.GetData(ctx, &sourceapi.GetDataParams{Start: start, End: end, Turbines: &turbines}, e)
	}, func(response *http.Response, body []byte) error {
		sum := sha256.Sum256(body)
		digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
		switch got := apiclient.Header(response, "Content-Digest"); got {
		case digest:
		case "":
			return &untoldError{apiclient.Source().NoTrailers(response)}
		default:
			return fmt.Errorf("%w: its digest is %s, Content-Digest is %q", errBroken, digest, got)
		}
		parsed, rows, err := parse(body, turbine, day)
		if err != nil {
			return err
		}
		windows = parsed
		if got := apiclient.Header(response, "Delfos-Rows"); got != strconv.FormatInt(rows, 10) {
			return fmt.Errorf("%w: it has %d rows, Delfos-Rows is %q", errBroken, rows, got)
		}
		return nil
	})
	return windows, err
}

// digest returns the source's digest of a day over all turbines, as the ledger
// keeps it; known is false when the API is an older one that has none.
func (s *source) digest(ctx context.Context, day time.Time) (digest int64, known bool, err error) {
	start, end := bounds(day)
	err = s.get(ctx, "application/json", func(e sourceapi.RequestEditorFn) (*http.Response, error) {
		return s.client.GetDataDigest(ctx, &sourceapi.GetDataDigestParams{Start: start, End: end}, e)
	}, func(response *http.Response, body []byte) error {
		if !json.Valid(body) {
			return fmt.Errorf("%w: the list of digests is not JSON", errBroken)
		}
		var lines []sourceapi.Digest
		if err := apiclient.Source().Decode(response, body, &lines); err != nil {
			return err
		}
		for _, line := range lines {
			hash, err := strconv.ParseUint(line.Digest, 16, 64)
			if err != nil {
				return fmt.Errorf("digest of turbine %d: %w", line.TurbineId, err)
			}
			digest ^= int64(hash)
		}
		return nil
	})
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("digest of the source: %w", err)
	}
	return digest, true, nil
}

// bounds are the first and the last instant of a day.
func bounds(day time.Time) (first, last timestamp.Time) {
	return timestamp.New(day), timestamp.New(day.AddDate(0, 0, 1).Add(-time.Microsecond))
}

// get asks until an answer is whole and use takes it, attempts times at most.
func (s *source) get(ctx context.Context, accept string, ask func(sourceapi.RequestEditorFn) (*http.Response, error), use func(*http.Response, []byte) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = s.wait
	untold := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := once(accept, func() (*http.Response, error) { return ask(identity(accept)) }, use)
		_, isUntold := errors.AsType[*untoldError](err)
		if isUntold {
			untold++ // twice is always
		}
		if err != nil && !errors.Is(err, ErrSourceAway) && !errors.Is(err, errBroken) && (!isUntold || untold > 1) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(attempts), backoff.WithNotify(func(err error, _ time.Duration) {
		s.log.WarnContext(ctx, "the source API failed; trying again", "error", err)
	}))
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// identity asks for a media type, uncompressed: the digest of an answer is over
// the bytes as sent.
func identity(accept string) sourceapi.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Encoding", "identity")
		return nil
	}
}

// once asks and lets use judge the answer.
func once(accept string, ask func() (*http.Response, error), use func(*http.Response, []byte) error) error {
	response, err := ask()
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%w: %w%s", ErrSourceAway, err, apiclient.Through(asked.URL))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSourceAway, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errBroken, err)
	case len(body) > maxAnswer:
		return fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	case response.StatusCode/100 != 2 && response.StatusCode/100 != 3:
		return &statusError{code: response.StatusCode, detail: apiclient.Detail(response, body)}
	}
	if err := apiclient.Source().Expect(response, accept); err != nil {
		return err
	}
	return use(response, body)
}

// untoldError is an answer that ended cleanly and has nothing to tell whether it
// is whole.
type untoldError struct{ cause error }

func (e *untoldError) Error() string { return e.cause.Error() }
func (e *untoldError) Unwrap() error { return e.cause }

// statusError is an answer other than 200.
type statusError struct {
	code   int
	detail string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// Unwrap tells whether the API is away, or the answer broken and worth another
// try.
func (e *statusError) Unwrap() error {
	switch e.code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ErrSourceAway
	}
	if e.code >= http.StatusInternalServerError {
		return errBroken
	}
	return nil
}

// ofTurbine tells whether an error is of what one turbine's answer holds, and no
// matter of the API as a whole.
func ofTurbine(ctx context.Context, err error) bool {
	var status *statusError
	refused := errors.As(err, &status) && status.code < http.StatusInternalServerError
	_, foreign := errors.AsType[*apiclient.Error](err)
	return ctx.Err() == nil && !refused && !foreign && !errors.Is(err, ErrSourceAway)
}
