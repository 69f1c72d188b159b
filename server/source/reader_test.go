package source_test

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

// A client that takes less than the floor asks for is cut off, never with a clean
// end, and the log says why.
func testBelowTheFloor(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database, func(c *source.Config, _ *source.Options) {
		c.Floor = httpserve.Floor{Rate: 1 << 40, Over: time.Millisecond}
	})
	resp := b.open(t.Context(), year)
	defer resp.Body.Close()
	eventually(t, "the query ends", func() bool { return b.queries() == 0 })
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("after %d bytes the answer ended as if it were whole", n)
	}
	b.wantAborted()
	lines := b.log.requests()
	line := lines[len(lines)-1]
	if said := text(line["error"]); !strings.Contains(said, "the client reads too slowly") || line["level"] != "WARN" {
		t.Errorf("the log says %v", line)
	}
}

const denseDay = "/data?" + day + "&turbines=2"

// While as many read long answers as may, /ready, short questions and whole days,
// as the ETL asks for them, are answered; the next long one is told the truth.
func testManyReaders(t *testing.T, database string) {
	t.Helper()
	const long = 2 // of five sessions
	b := startOn(t, withParam(t, database, "pool_max_conns=5"), func(c *source.Config, _ *source.Options) {
		c.AcquireTimeout = 5 * time.Second
	})
	var readers []*http.Response
	for range long {
		resp := b.open(t.Context(), year)
		defer resp.Body.Close()
		readers = append(readers, resp)
	}
	short := []string{"/ready", "/turbines", "/data?" + day, year + "&limit=10", denseDay, "/data/digest?" + day}
	paths := slices.Repeat(short, 3) // more often than there are sessions left
	paths = append(paths, "/data/digest"+strings.TrimPrefix(year, "/data"), "/data?start=2025-01-01&end=2025-01-02T00:30:00Z")
	for _, path := range paths {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
	}
	if a := b.do(http.MethodHead, year); a.status != http.StatusOK || a.header.Get("ETag") == "" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	a := b.get(year)
	wantProblem(t, a, http.StatusServiceUnavailable, "too many answers of more than a day", "2 at once")
	if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "database") {
		t.Errorf("%v %s", a.header, a.body)
	}
	// A place that is free again is given on, and the answer is whole.
	_ = readers[0].Body.Close()
	if a := b.get(year); a.trailer.Get("Delfos-Rows") != strconv.Itoa(bigRows) {
		t.Errorf("after a reader has left: %d and the trailers %v", a.status, a.trailer)
	}
}

// A URL that allows one session gets two: one for an answer that waits for its
// client, and one for all that does not.
func testTwoSessions(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, withParam(t, withParam(t, database, "pool_max_conns=1"), "lock_timeout=1min"), func(c *source.Config, _ *source.Options) {
		c.AcquireTimeout = 5 * time.Second
	})
	slow := b.open(t.Context(), year)
	defer slow.Body.Close()
	for _, path := range []string{"/ready", "/turbines", "/data?" + day} {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
	}
	wantProblem(t, b.get(denseDay), http.StatusServiceUnavailable, "too many answers are being read", "1 at once")
}

// What is exhausted is said: here the sessions, as the database is slow.
func TestAllSessionsInUse(t *testing.T) {
	t.Parallel()
	filled := setup(t)
	b := startOn(t, withParam(t, withParam(t, filled.database, "pool_max_conns=2"), "lock_timeout=1min"), func(c *source.Config, _ *source.Options) {
		c.AcquireTimeout = 3 * time.Second
	})
	unlock := b.lock()
	answers := make(chan answer)
	for range 2 {
		go func() { answers <- b.get("/data?" + day) }()
	}
	eventually(t, "two queries wait", func() bool { return b.queries() == 2 })
	for _, path := range []string{"/turbines", "/ready"} {
		wantProblem(t, b.get(path), http.StatusServiceUnavailable, "all 2 sessions with the source database are in use")
	}
	unlock()
	for range 2 {
		if a := <-answers; a.status != http.StatusOK {
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
}
