package apiclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
)

// The follower resumes after the event that it had last, whatever ends a stream,
// until an answer comes that no other try would change.
func TestEvents(t *testing.T) {
	t.Parallel()
	event := func(id int) string {
		return fmt.Sprintf("id: %d\nevent: run\ndata: {\"id\":%d,\"at\":\"2025-01-01T00:00:00Z\",\"kind\":\"run\",\"run_id\":7,\"state\":\"done\"}\n\n", id, id)
	}
	type step struct {
		last   string // Last-Event-ID that the request has to have
		status int
		media  string
		body   string
		cut    bool // break the connection off
	}
	const sse, problem = "text/event-stream", "application/problem+json"
	steps := []step{
		{"", 200, sse, "retry: 1\n\n: heartbeat\n\n", true}, // before the first event
		{"", 503, problem, `{"detail":"the database does not answer"}`, false},
		{"", 200, sse, "retry: 1\n\n" + event(5) + strings.TrimSuffix(event(6), "\n"), true},
		{"5", 200, sse, event(6) + ":\n\n", false},
		{"6", 200, sse, `data: {"id":9,"at":"2025-01-01T00:00:00Z","kind":"reset","state":"reset"}` + "\n\n", false},
		{"9", 404, problem, `{"detail":"there is nothing at /events"}`, false},
	}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		if n >= len(steps) {
			t.Errorf("it is asked %d times", n+1)
			return
		}
		step := steps[n]
		if got := r.Header.Get("Last-Event-ID"); got != step.last {
			t.Errorf("request %d has Last-Event-ID %q, want %q", n, got, step.last)
		}
		w.Header().Set("Content-Type", step.media)
		w.WriteHeader(step.status)
		fmt.Fprint(w, step.body)
		if step.cut {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	var got []string
	for event, err := range apiclient.Events(t.Context(), eventClient(t, server)) {
		text := fmt.Sprintf("%s %d", event.Kind, event.Id)
		if err != nil {
			text = strings.ReplaceAll(err.Error(), server.URL, "")
		}
		got = append(got, text)
	}
	const follow = "follow the events of the target API: "
	want := []string{
		"reset 0", follow + "unexpected EOF",
		follow + "503 Service Unavailable: the database does not answer",
		"reset 0", "run 5", follow + "unexpected EOF",
		"run 6", "reset 9",
		follow + "GET /events answered 404 Not Found, which is not an answer of the target API; TARGET_API_URL has to be the address of the target API",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A loop that ends, and a context that does, end the request.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	t.Cleanup(server.Close)
	for event, err := range apiclient.Events(t.Context(), eventClient(t, server)) {
		if err != nil || event.Kind != "reset" {
			t.Errorf("got %+v, %v", event, err)
		}
		break
	}
	<-gone
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	var last error
	for _, last = range apiclient.Events(ctx, eventClient(t, server)) {
		cancel(enough)
	}
	if !errors.Is(last, enough) {
		t.Errorf("got %v", last)
	}
	<-gone
}

func eventClient(t *testing.T, server *httptest.Server) *targetclient.Client {
	t.Helper()
	client, err := targetclient.NewClient(server.URL, targetclient.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
