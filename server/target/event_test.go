package target_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
)

// stream is an answer of /events that is being read.
type eventStream struct {
	t      *testing.T
	lines  *bufio.Scanner
	cancel func()
}

// message is one of a stream: an event, or a comment.
type message struct {
	id, event, data, retry, comment string
}

// follow opens a stream; last is the id of the last event seen, "" for none.
func (b *bundle) follow(t *testing.T, last string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := apitest.HTTPClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	s := &eventStream{t, bufio.NewScanner(resp.Body), cancel}
	if first, _ := s.next(); first.retry != "2000" {
		t.Fatalf("the stream begins with %+v", first)
	}
	return s
}

// next is the next message; false at the end of the stream.
func (s *eventStream) next() (m message, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if line == "" {
			return m, true
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "retry":
			m.retry = value
		case "":
			m.comment = value
		default:
			if s.lines.Err() != nil {
				return m, false // the line was cut off, as the stream was
			}
			s.t.Fatalf("a line of the stream is %q", line)
		}
	}
	return m, false
}

// events are the next ones, as many as wanted; comments are passed over.
func (s *eventStream) events(n int) []message {
	s.t.Helper()
	var got []message
	for len(got) < n {
		m, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended after %v: %v", got, s.lines.Err())
		}
		if m.comment == "" {
			got = append(got, m)
		}
	}
	return got
}

const done4 = `{"actor":"ana","at":"2025-01-08T01:00:03Z","day":"2025-01-02","id":4,"kind":"partition","run_id":1,"state":"done"}`

func (b *bundle) event4() {
	b.TB.Helper()
	b.exec(`INSERT INTO event (id, at, kind, day, run_id, state, actor) VALUES (4, '2025-01-08 01:00:03Z', 'partition', '2025-01-02', 1, 'done', 'ana')`)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger() // has three
	valid := b.validator()

	fresh, resumed := b.follow(t, ""), b.follow(t, "1")
	b.event4() // after the stream's head came
	if diff := cmp.Diff([]message{{id: "4", event: "partition", data: done4}}, fresh.events(1), cmp.AllowUnexported(message{})); diff != "" {
		t.Errorf("fresh (-want +got):\n%s", diff)
	}
	got := resumed.events(3)
	want := []message{
		{id: "2", event: "partition", data: `{"at":"2025-01-08T01:00:01Z","day":"2025-01-01","id":2,"kind":"partition","run_id":1,"state":"running"}`},
		{id: "3", event: "partition", data: `{"at":"2025-01-08T01:00:02Z","day":"2025-01-01","id":3,"kind":"partition","run_id":1,"state":"done"}`},
		{id: "4", event: "partition", data: done4},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{})); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	for _, m := range got {
		valid.check(t, "Event", []byte(m.data))
	}
	// Without a day, or a run.
	b.exec(`INSERT INTO event (id, at, kind, state) VALUES (5, '2025-01-08 02:00Z', 'schedule', 'paused')`)
	if m := fresh.events(1)[0]; m.data != `{"at":"2025-01-08T02:00:00Z","id":5,"kind":"schedule","state":"paused"}` {
		t.Errorf("got %+v", m)
	}

	// What is no longer kept, or never was: read everything anew.
	b.exec("DELETE FROM event WHERE id < 4")
	for _, last := range []string{"1", "999999999999999999"} {
		s := b.follow(t, last)
		m := s.events(1)[0]
		var e struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal([]byte(m.data), &e); err != nil || m.event != "reset" || m.id != "5" || e.Kind != "reset" {
			t.Errorf("after %s: %+v, %v", last, m, err)
		}
		valid.check(t, "Event", []byte(m.data))
	}
}

// A stream shows signs of life, outlives the time in which a request must have
// come, and ends with the server.
func TestEventsHeartbeatAndEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) {
		o.api.Heartbeat = 10 * time.Millisecond
		o.api.WriteTimeout, o.serve.ReadTimeout = time.Second, 50*time.Millisecond
	})
	s := b.follow(t, "")
	for old := time.Now().Add(1200 * time.Millisecond); time.Now().Before(old); {
		if m, ok := s.next(); !ok || m.comment != "heartbeat" {
			t.Fatalf("got %+v, %t, %v", m, ok, s.lines.Err())
		}
	}
	b.stop()
	for {
		m, ok := s.next()
		if !ok {
			break
		}
		if m.comment != "heartbeat" {
			t.Errorf("got %+v", m)
		}
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("the stream does not end cleanly: %v", err)
	}
}

// A client that leaves is forgotten, and one that stops reading is cut off; the
// others hear everything all the while.
func TestEventsSlowReader(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.api.WriteTimeout = 2 * time.Second })
	const many = 7_500 // of 4 kB each: more than buffers hold
	slow, left, quick := b.follow(t, ""), b.follow(t, ""), b.follow(t, "")
	left.cancel()
	ended := func() (lines []apitest.Line) {
		for _, line := range b.log.Requests() {
			if line["path"] == "/events" {
				lines = append(lines, line)
			}
		}
		return lines
	}
	await.True(t, "the one that left is gone", func() bool { return len(ended()) == 1 })
	b.exec(`INSERT INTO event (id, kind, state) SELECT i, 'schedule', repeat('x', 4000) FROM generate_series(1, $1) AS i`, many)
	for i, m := range quick.events(many) {
		if i == many-1 && m.id != strconv.Itoa(many) {
			t.Errorf("the last event is %+v", m)
		}
	}
	await.True(t, "the slow one is cut off", func() bool { return len(ended()) == 2 })
	n := 0
	for {
		m, ok := slow.next()
		if !ok {
			break
		}
		if m.id != "" {
			n++
		}
	}
	if n == many || slow.lines.Err() == nil {
		t.Errorf("the slow one read %d events, and then %v", n, slow.lines.Err())
	}
}

// A stream whose database goes is broken off: its client comes back, and is told
// when to.
func TestEventsBroken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	s := b.follow(t, "")
	b.exec("ALTER TABLE event RENAME TO events")
	if m, ok := s.next(); ok || s.lines.Err() == nil {
		t.Errorf("got %+v, %v", m, s.lines.Err())
	}
}
