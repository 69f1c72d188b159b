package apiclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// Whatever a stream says, it ends with a reason, and nobody waits for long.
func FuzzEvents(f *testing.F) {
	f.Add("retry: 1\n\nid: 5\nevent: run\ndata: {\"id\":5,\"at\":\"2025-01-01T00:00:00Z\",\"kind\":\"run\",\"run_id\":7,\"state\":\"done\"}\n\n")
	f.Add(":\n\ndata: {}\n\n")
	f.Add("retry: 9223372036854775807\n\n")
	f.Add("data\ndata: [\r\n\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		synctest.Test(t, func(t *testing.T) { followText(t, body) }) // it waits as long as the stream says
	})
}

func followText(t *testing.T, body string) {
	t.Helper()
	asked, begun := 0, time.Now()
	client, err := targetclient.NewClient("http://localhost", targetclient.WithHTTPClient(doer(func(r *http.Request) (*http.Response, error) {
		response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
		if asked++; asked > 1 {
			response.StatusCode, response.Status, response.Body = http.StatusNotFound, "404 Not Found", http.NoBody
		}
		return response, nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range apiclient.Events(t.Context(), client) {
		if time.Since(begun) > 2*time.Minute { // of what the bubble takes for time
			t.Errorf("it waited for %s", time.Since(begun))
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Errorf("after %+v: the error says nothing", event)
		}
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }
