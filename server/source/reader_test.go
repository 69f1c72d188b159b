package source_test

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

// A client that takes less than the floor asks for is cut off, never with a clean
// end, and the log says why.
func testBelowTheFloor(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database, func(c *source.Config, _ *httpserve.Options) {
		c.Floor = httpserve.Floor{Rate: 1 << 40, Over: time.Second}
	})
	resp := b.Open(t.Context(), year)
	defer resp.Body.Close()
	await.True(t, "the query ends", func() bool { return b.queries() == 0 })
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("after %d bytes the answer ended as if it were whole", n)
	}
	b.wantAborted()
	lines := b.log.Requests()
	line := lines[len(lines)-1]
	if said := line.Text("error"); !strings.Contains(said, "the client reads too slowly") || line["level"] != "WARN" {
		t.Errorf("the log says %v", line)
	}
}

const denseDay = "/data?" + day + "&turbines=2"

// While as many read long answers as may, /ready, short questions and whole days,
// as the ETL asks for them, are answered; the next long one is told the truth.
func testManyReaders(t *testing.T, database string) {
	t.Helper()
	const long = 2 // of five sessions
	b := startOn(t, withParam(t, database, "pool_max_conns=5"), func(c *source.Config, _ *httpserve.Options) {
		c.AcquireTimeout = 5 * time.Second
	})
	var readers []*http.Response
	for range long {
		resp := b.Open(t.Context(), year)
		defer resp.Body.Close()
		readers = append(readers, resp)
	}
	short := []string{"/ready", "/turbines", "/data?" + day, year + "&limit=10", denseDay, "/data/digest?" + day}
	paths := slices.Repeat(short, 3) // more often than there are sessions left
	paths = append(paths, "/data/digest"+strings.TrimPrefix(year, "/data"), "/data?start=2025-01-01&end=2025-01-02T00:30:00Z")
	for _, path := range paths {
		b.OK(path)
	}
	if a := b.Do(http.MethodHead, year, ""); a.Status != http.StatusOK || a.Header.Get("ETag") == "" {
		t.Errorf("HEAD: %d %v", a.Status, a.Header)
	}
	a := b.Get(year)
	apitest.WantProblem(t, a, http.StatusServiceUnavailable, "too many answers of more than a day", "2 at once")
	if a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "database") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	// A place that is free again is given on, and the answer is whole.
	_ = readers[0].Body.Close()
	if a := b.Get(year); a.Trailer.Get("Delfos-Rows") != strconv.Itoa(bigRows) {
		t.Errorf("after a reader has left: %d and the trailers %v", a.Status, a.Trailer)
	}
}

// A URL that allows one session gets two: one for an answer that waits for its
// client, and one for all that does not.
func testTwoSessions(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, withParam(t, withParam(t, database, "pool_max_conns=1"), "lock_timeout=1min"), func(c *source.Config, _ *httpserve.Options) {
		c.AcquireTimeout = 5 * time.Second
	})
	slow := b.Open(t.Context(), year)
	defer slow.Body.Close()
	for _, path := range []string{"/ready", "/turbines", "/data?" + day} {
		b.OK(path)
	}
	apitest.WantProblem(t, b.Get(denseDay), http.StatusServiceUnavailable, "too many answers are being read", "1 at once")
}

// What is exhausted is said: here the sessions, as the database is slow.
func TestAllSessionsInUse(t *testing.T) {
	t.Parallel()
	filled := setup(t)
	b := startOn(t, withParam(t, withParam(t, filled.database, "pool_max_conns=2"), "lock_timeout=1min"), func(c *source.Config, _ *httpserve.Options) {
		c.AcquireTimeout = 3 * time.Second
	})
	unlock := b.lock()
	answers := make(chan apitest.Answer)
	for range 2 {
		go func() { answers <- b.Get("/data?" + day) }()
	}
	await.True(t, "two queries wait", func() bool { return b.queries() == 2 })
	refusals := make(chan apitest.Answer)
	for _, path := range []string{"/turbines", "/ready"} {
		go func() { refusals <- b.Get(path) }()
	}
	for range 2 {
		apitest.WantProblem(t, <-refusals, http.StatusServiceUnavailable, "all 2 sessions with the source database are in use")
	}
	unlock()
	for range 2 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
}
