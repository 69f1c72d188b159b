package apiclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

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
