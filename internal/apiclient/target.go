package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

const (
	// answerTimeout bounds one request; to ask for stale days may take the API
	// some time, because it asks the source.
	answerTimeout = 2 * time.Minute
	// maxAnswer bounds an answer in bytes: 20,000 days are 8 MB.
	maxAnswer = 256 << 20
)

// NewTarget returns a client of the target API at an address.
func NewTarget(address string) (*targetclient.Client, error) {
	return targetclient.NewClient(address, targetclient.WithHTTPClient(New(http.DefaultTransport, answerTimeout)))
}

// An Answer is what the target API said: decoded, and as it came.
type Answer[T any] struct {
	Value  T
	Text   json.RawMessage
	Header http.Header
}

// Ask sends a request to the target API and reads the answer. The error is a
// *RefusalError unless there was an answer, but one that makes no sense.
func Ask[T any](send func() (*http.Response, error)) (a Answer[T], err error) {
	err = ask(send, func(response *http.Response, body []byte) error {
		a.Text, a.Header = body, response.Header
		if err := Target().Expect(response, "application/json"); err != nil {
			return err
		}
		return Target().Decode(response, body, &a.Value)
	})
	return a, err
}

// Done is Ask for a request whose answer has no body when it succeeds.
func Done(send func() (*http.Response, error)) error {
	return ask(send, func(response *http.Response, _ []byte) error {
		if response.StatusCode != http.StatusNoContent {
			return Target().errorf(response, "answered %s, not 204 No Content", response.Status)
		}
		return nil
	})
}

// ask hands an answer that is not an error to accept.
func ask(send func() (*http.Response, error), accept func(response *http.Response, body []byte) error) error {
	response, err := send()
	if err != nil {
		return unanswered(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return unanswered(&url.Error{URL: response.Request.URL.String(), Err: err})
	}
	if code := response.StatusCode; code/100 == 2 || code/100 == 3 {
		return accept(response, body)
	}
	refusal := RefusalError{Status: response.StatusCode, Problem: IsProblem(response), text: Detail(response, body)}
	if !refusal.Problem {
		refusal.text = response.Status + ": " + refusal.text
	}
	var problem targetapi.Problem
	if json.Unmarshal(body, &problem) == nil && problem.RequestId != nil && refusal.Status >= http.StatusInternalServerError {
		refusal.text += fmt.Sprintf(" (request %s)", *problem.RequestId)
	}
	return &refusal
}

// A RefusalError is an error of the target API's own, or of what stands before
// it, or says that nothing answers.
type RefusalError struct {
	Status  int  // 0 when nothing answered
	Problem bool // it is of the API's own
	text    string
	cause   error
}

// Error implements error.
func (e *RefusalError) Error() string { return e.text }

// Unwrap returns why nothing answered.
func (e *RefusalError) Unwrap() error { return e.cause }

// Away reports whether the API does not answer, or can't for now.
func (e *RefusalError) Away() bool {
	switch e.Status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// unanswered says which address does not answer, and what would.
func unanswered(err error) error {
	asked, ok := errors.AsType[*url.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case !ok:
		return err
	}
	address := asked.URL
	if u, err := url.Parse(asked.URL); err == nil {
		address = u.Scheme + "://" + u.Host
	}
	refusal := RefusalError{cause: asked.Err, text: fmt.Sprintf("ask the target API at %s: %v%s", address, asked.Err, Through(address))}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		refusal.text = fmt.Sprintf("the target API at %s does not answer (%v): `delfos orchestrate` starts it, TARGET_API_URL says where it is%s", address, e.Err, Through(address))
	}
	return &refusal
}

const (
	// lookAgain is how often a run is looked at that is waited for.
	lookAgain = 500 * time.Millisecond
	// patience is how long the API may be away meanwhile, as while it restarts.
	patience = time.Minute
)

// Follow calls look, which asks the target API, again and again until it is done
// or fails. The API may be away for a while.
func Follow(ctx context.Context, log *slog.Logger, look func() (done bool, err error)) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	var since *time.Time // when the API went away
	for {
		done, err := look()
		refusal, refused := errors.AsType[*RefusalError](err)
		switch away := refused && refusal.Away(); {
		case away && since == nil:
			since = new(time.Now())
			log.WarnContext(ctx, "the target API is away; waiting for it", "error", err)
		case away && time.Since(*since) < patience:
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
