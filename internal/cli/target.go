package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/config"
)

const (
	// answerTimeout bounds one request; to ask for stale days may take the API
	// some time, as it asks the source.
	answerTimeout = 2 * time.Minute
	// maxAnswer bounds an answer in bytes: 20,000 days are 8 MB.
	maxAnswer = 256 << 20
)

// A target is the target API as a client sees it.
type target struct {
	client *targetclient.Client
	url    string
}

func newTarget(c config.TargetAPI) (*target, error) {
	client, err := targetclient.NewClient(c.TargetAPIURL, targetclient.WithHTTPClient(apiclient.New(http.DefaultTransport, answerTimeout)))
	if err != nil {
		return nil, fmt.Errorf("target API %s: %w", config.Redact(c.TargetAPIURL), err)
	}
	return &target{client: client, url: config.Redact(c.TargetAPIURL)}, nil
}

// An answer is what the target API said: decoded, and as it stood.
type answer[T any] struct {
	value  T
	text   []byte
	header http.Header
}

// ask sends one request; the error of a refusal is the problem's detail.
func ask[T any](t *target, send func(*targetclient.Client) (*http.Response, error)) (answer[T], error) {
	var a answer[T]
	response, err := send(t.client)
	if err != nil {
		return a, t.unreachable(err)
	}
	defer response.Body.Close()
	a.header = response.Header
	if a.text, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return a, t.unreachable(err)
	}
	if code := response.StatusCode; code/100 != 2 && code/100 != 3 {
		return a, refusal(response, a.text)
	}
	if err := apiclient.Target().Expect(response, "application/json"); err != nil {
		return a, err
	}
	return a, apiclient.Target().Decode(response, a.text, &a.value)
}

// unreachable says which address does not answer, and what would.
func (t *target) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	// What is asked and how stands in the message already.
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return &awayError{fmt.Errorf("the target API at %s does not answer (%w): `delfos orchestrate` starts it, TARGET_API_URL says where it is%s", t.url, e.Err, apiclient.Through(t.url))}
	}
	return &awayError{fmt.Errorf("ask the target API at %s: %w%s", t.url, err, apiclient.Through(t.url))}
}

// An awayError says that the API did not answer, or could not for now.
type awayError struct{ error }

func (e *awayError) Unwrap() error { return e.error }

// refusal is the error of an answer that is not a success, the API's own or of
// what stands before it.
func refusal(response *http.Response, body []byte) error {
	var problem targetapi.Problem
	_ = json.Unmarshal(body, &problem) // without a detail the status has to do
	text := apiclient.Detail(response, body)
	if !apiclient.IsProblem(response) {
		text = response.Status + ": " + text
	}
	if response.StatusCode >= http.StatusInternalServerError && problem.RequestId != nil {
		text += fmt.Sprintf(" (request %s)", *problem.RequestId)
	}
	err := errors.New(text)
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return &awayError{err}
	}
	return err
}

const (
	// pollInterval is how often a run is looked at that is waited for.
	pollInterval = 500 * time.Millisecond
	// patience is how long the API may be away meanwhile, as while it restarts.
	patience = time.Minute
)

// poll looks again and again until look is done or fails. An API that is away
// for a while is no failure.
func (r *runner) poll(ctx context.Context, look func() (done bool, err error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var since *time.Time // when the API went away
	for {
		done, err := look()
		var away *awayError
		switch {
		case errors.As(err, &away) && since == nil:
			since = new(time.Now())
			r.log.WarnContext(ctx, "the target API is away; waiting for it", "error", err)
		case errors.As(err, &away) && time.Since(*since) < patience:
		case err != nil || done:
			return err
		default:
			since = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// printJSON prints an answer as it came, in one line.
func (r *runner) printJSON(text []byte) error {
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return r.print("%s", line.String())
}
