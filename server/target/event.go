package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

const eventStream = "text/event-stream"

const (
	// reconnectAfter is how long a browser waits before it comes back.
	reconnectAfter = 2 * time.Second
	// eventBuffer is how many events may wait while others are written.
	eventBuffer = 64
)

// Where to begin is settled before the answer's head leaves: whoever has that misses nothing.
func (s *server) GetEvents(ctx context.Context, request targetserver.GetEventsRequestObject) (targetserver.GetEventsResponseObject, error) {
	var after int64
	if last := request.Params.LastEventID; last != nil {
		id, err := strconv.ParseUint(*last, 10, 63) // takes no sign
		if err != nil || len(*last) > 18 {
			return nil, problem.Parameters(problem.Invalid("Last-Event-ID", *last, "is no id of an event: 1 to 18 digits"))
		}
		after = int64(id)
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	known, err := targetdb.New(session).EventRange(ctx)
	session.Release()
	if err != nil {
		return nil, fmt.Errorf("read the range of events: %w", err)
	}
	if request.Params.LastEventID == nil {
		after = known.Newest
	}
	return targetserver.GetEvents200Response(follow{s, httpserve.RequestOf(ctx), after}.write), nil
}

// follow is the 200 of getEvents, which goes on until its client leaves, or the server
// does. A client that stops reading is cut by httpserve's write deadline.
type follow struct {
	s     *server
	r     *http.Request
	after int64
}

func (f follow) write(w http.ResponseWriter) error {
	select {
	case f.s.followers <- struct{}{}:
		defer func() { <-f.s.followers }()
	default:
		return problem.Busy(fmt.Sprintf("too many clients follow the events: this server serves %d at once; try again later", cap(f.s.followers)),
			10*time.Second, nil)
	}
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // a proxy must not keep events back
	w.WriteHeader(http.StatusOK)
	if f.r.Method == http.MethodHead {
		return nil
	}
	if err := f.stream(w); err != nil {
		if f.r.Context().Err() == nil {
			httpserve.Abort(f.r, err)
		}
		httpserve.Note(f.r.Context(), err)
	}
	return nil
}

func (f follow) stream(w http.ResponseWriter) error {
	ctx, cancel := context.WithCancel(f.r.Context())
	events := make(chan orchestrator.Event, eventBuffer)
	var failed error
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		failed = f.s.Control.Events(ctx, f.after, func(e orchestrator.Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	defer func() {
		cancel()
		<-followed
	}()

	out := http.NewResponseController(w)
	send := func(text []byte) error {
		_, err := w.Write(text)
		if err == nil && len(events) == 0 {
			err = out.Flush()
		}
		return err
	}
	if err := send(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds())); err != nil {
		return err
	}
	heartbeat := time.NewTicker(f.s.Heartbeat)
	defer heartbeat.Stop()
	for {
		var text []byte
		select {
		case e := <-events:
			var err error
			if text, err = eventText(e); err != nil {
				return err
			}
		case <-heartbeat.C:
			text = []byte(": heartbeat\n\n")
		case <-followed:
			return fmt.Errorf("follow events: %w", failed)
		case <-f.s.Stop:
			return nil
		case <-ctx.Done():
			return nil
		}
		if err := send(text); err != nil {
			return fmt.Errorf("write an event: %w", err)
		}
	}
}

// eventText is an event as the stream has it: its data is one line of JSON.
func eventText(e orchestrator.Event) ([]byte, error) {
	data, err := json.Marshal(targetapi.Event{
		Id: e.ID, At: e.At, Kind: targetapi.EventKind(e.Kind), Day: param.Date(e.Day), RunId: e.RunID, State: e.State, Actor: e.Actor,
	})
	if err != nil {
		return nil, fmt.Errorf("write event %d: %w", e.ID, err)
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data), nil
}
