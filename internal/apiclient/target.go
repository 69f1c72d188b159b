package apiclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

const (
	// answerTimeout bounds one request; the API may have to ask the source for stale days.
	answerTimeout = 2 * time.Minute
	// maxAnswer bounds an answer in bytes: 20,000 days are 8 MB.
	maxAnswer = 256 << 20
)

// NewTarget returns a client of the target API at an address.
func NewTarget(address string, token Token) (*targetclient.Client, error) {
	client, err := targetclient.NewClient(address, targetclient.WithHTTPClient(New(http.DefaultTransport, answerTimeout)))
	if err == nil {
		client.RequestEditors = []targetclient.RequestEditorFn{Target().Authorize(token)}
	}
	return client, err
}

// An Answer is what the target API said: decoded, and as it came.
type Answer[T any] struct {
	Value  T
	Text   json.RawMessage
	Header http.Header
}

// Ask reads the answer of the target API. The error is a *RefusalError, or of an answer without sense.
func Ask[T any](response *http.Response, err error) (a Answer[T], _ error) {
	if a.Text, err = read(response, err); err != nil {
		return a, err
	}
	a.Header = response.Header
	if err := Target().Expect(response, "application/json"); err != nil {
		return a, err
	}
	return a, Target().Decode(response, a.Text, &a.Value)
}

// Text is Ask for an answer in another format, which is handed on as it came.
func Text(mediaType string, response *http.Response, err error) ([]byte, error) {
	text, err := read(response, err)
	if err == nil {
		err = Target().Expect(response, mediaType)
	}
	return text, err
}

// Done is Ask for a request whose answer has no body when it succeeds.
func Done(response *http.Response, err error) error {
	if _, err = read(response, err); err == nil && response.StatusCode != http.StatusNoContent {
		err = Target().errorf(response, "answered %s, not 204 No Content", response.Status)
	}
	return err
}

// read reads the body of an answer that is not an error.
func read(response *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, unanswered(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, unanswered(&url.Error{URL: response.Request.URL.String(), Err: err})
	}
	if code := response.StatusCode; code/100 == 2 || code/100 == 3 {
		return body, nil
	}
	refusal := RefusalError{Status: response.StatusCode, Problem: isProblem(response), text: Target().Detail(response, body)}
	if !refusal.Problem {
		refusal.text = response.Status + ": " + refusal.text
	}
	var problem targetapi.Problem
	if json.Unmarshal(body, &problem) == nil && problem.RequestId != nil && refusal.Status >= http.StatusInternalServerError {
		refusal.text += fmt.Sprintf(" (request %s)", *problem.RequestId)
	}
	return nil, &refusal
}

// A RefusalError is an error of the target API, or of what stands before it, or that none answers.
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

func (e *RefusalError) away() bool {
	switch e.Status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

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
	// lookEvery is how often a run is looked at while something happens, lookAgain while nothing does.
	lookEvery = 50 * time.Millisecond
	lookAgain = 2 * time.Second
	// patience is how long the API may be away meanwhile, as while it restarts.
	patience = time.Minute
)

// Ended reports whether nothing more will happen in a run by itself.
func Ended(run targetapi.Run) bool {
	return run.State != enum.RunStateQueued && run.State != enum.RunStateRunning
}

// Follow asks for a run whenever something has happened in it, hands it to look, and returns it when
// it has ended. The API may be away for a while, also when look asks it.
func Follow(ctx context.Context, log *slog.Logger, api *targetclient.Client, id int64, look func(targetapi.Run) error) (run Answer[targetapi.Run], err error) {
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	var happened atomic.Bool
	following.Go(func() { noteEvents(ctx, log, api, id, &happened) })
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var looked, since time.Time // since when the API is away; zero while it is not
	for {
		if happened.Swap(false) || time.Since(looked) > lookAgain {
			looked = time.Now()
			if run, err = Ask[targetapi.Run](api.GetRun(ctx, id)); err == nil {
				err = look(run.Value)
			}
			refusal, refused := errors.AsType[*RefusalError](err)
			switch away := refused && refusal.away(); {
			case away && since.IsZero():
				since = looked
				log.WarnContext(ctx, "the target API is away; waiting for it", "error", err)
			case away && time.Since(since) < patience:
			case err != nil || Ended(run.Value):
				return run, err
			default:
				since = time.Time{}
			}
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-ticker.C:
		}
	}
}

// noteEvents notes until ctx ends that something has happened in a run, or may have.
func noteEvents(ctx context.Context, log *slog.Logger, api *targetclient.Client, id int64, happened *atomic.Bool) {
	endless := *api
	endless.Client = New(http.DefaultTransport, 0)
	for event, err := range Events(ctx, &endless) {
		if err != nil || event.RunId == nil || *event.RunId == id {
			happened.Store(true)
		}
		if err != nil && ctx.Err() == nil {
			log.DebugContext(ctx, "the events of the target API broke off", "error", err)
		}
	}
}

const (
	// reconnectAfter is how long the follower waits until the API says how long.
	reconnectAfter = 2 * time.Second
	// maxSilence ends a stream on which nothing arrives; the API writes a comment each 15 s.
	maxSilence = 45 * time.Second
)

var errSilent = fmt.Errorf("nothing arrived for %s", maxSilence)

// Events follows what happens at the target API. The client must have no Timeout, which would end the
// stream.
//
// The first event is a reset, once the API has begun to tell: read now what was before. Another reset
// comes whenever events may have been missed. The rest follows in order, across lost connections.
//
// An error says that the stream could not be opened or broke off. It is opened again for as long as
// the loop goes on, unless it is an *Error, which another try would meet again, or the cause of ctx's
// end.
func Events(ctx context.Context, client *targetclient.Client) iter.Seq2[targetapi.Event, error] {
	return func(yield func(targetapi.Event, error) bool) {
		f := &follower{client: client, wait: reconnectAfter, yield: yield}
		for {
			err := f.follow(ctx)
			_, final := errors.AsType[*Error](err)
			switch {
			case f.stopped:
				return
			case ctx.Err() != nil:
				yield(targetapi.Event{}, context.Cause(ctx))
				return
			case err != nil && !yield(targetapi.Event{}, err) || final:
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(f.wait):
			}
		}
	}
}

type follower struct {
	client  *targetclient.Client
	wait    time.Duration // before the stream is opened again
	last    *string       // the id of the last event, if there was one
	yield   func(targetapi.Event, error) bool
	stopped bool // yield wants no more
}

// follow opens the stream and reads it to its end, which is no error when the API ended it.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := time.AfterFunc(maxSilence, func() { cancel(errSilent) })
	defer alarm.Stop()
	response, err := f.client.GetEvents(ctx, &targetapi.GetEventsParams{LastEventID: f.last})
	if err == nil {
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		err = f.read(response, lines, func() bool {
			alarm.Reset(maxSilence)
			defer alarm.Stop() // whoever takes an event may take time
			return lines.Scan()
		})
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("follow the events of the target API: %w", err)
	}
	return nil
}

// read64K is the beginning of a body, which is enough for a problem.
func read64K(response *http.Response) []byte {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	return body
}

// read yields the events of an answer; next moves on to its next line.
func (f *follower) read(response *http.Response, lines *bufio.Scanner, next func() bool) error {
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &Error{response.Status + ": " + Target().Detail(response, read64K(response))}
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return fmt.Errorf("%s: %s", response.Status, Target().Detail(response, read64K(response)))
	}
	if err := Target().Expect(response, "text/event-stream"); err != nil {
		return err
	}
	if f.last == nil {
		reset := targetapi.EventKindReset
		f.stopped = !f.yield(targetapi.Event{At: time.Now(), Kind: reset, State: string(reset)}, nil)
	}
	var data string
	for !f.stopped && next() {
		line := lines.Text()
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "data":
			data = value
		case name == "retry":
			if wait, err := strconv.ParseUint(value, 10, 16); err == nil { // a minute at most
				f.wait = time.Duration(wait) * time.Millisecond
			}
		case line == "" && data != "": // only now the event is whole
			var event targetapi.Event
			if err := Target().Decode(response, []byte(data), &event); err != nil {
				return err
			}
			f.last, data = new(strconv.FormatInt(event.Id, 10)), ""
			f.stopped = !f.yield(event, nil)
		}
	}
	return lines.Err()
}
