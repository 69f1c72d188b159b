package source_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

// bigRows make an answer that no sockets' buffers hold: some 40 MB of JSON, and
// half of that between the database and the API.
const bigRows = 400_000

// denseRows are a day of turbine 2, one each ten seconds: an answer that is sent
// while it is read.
const denseRows = 8_640

// TestLongAnswers are of answers that do not end as they should; they share a
// database, as it takes a while to fill.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	filled := setup(t)
	filled.fill(bigRows)
	filled.exec("INSERT INTO turbine VALUES (2, 'dense')")
	filled.exec(`INSERT INTO data SELECT 2, '2025-01-01Z'::timestamptz + i * interval '10 s', i % 25, i % 2000 / 10.0, i % 40 / 3.0
		FROM generate_series(0, $1 - 1) AS i`, denseRows)
	for name, test := range map[string]func(*testing.T, string){
		"query fails":     testQueryFails,
		"HTTP 1.0":        testHTTP10,
		"client leaves":   testClientLeaves,
		"slow reader":     testSlowReader,
		"below the floor": testBelowTheFloor,
		"many readers":    testManyReaders,
		"two sessions":    testTwoSessions,
		"drain":           testDrain,
		"drain has bound": testDrainIsBounded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, filled.database)
		})
	}
}

// startOn starts another API on a database that is there.
func startOn(t *testing.T, database string, configure ...func(*source.Config, *httpserve.Options)) *bundle {
	t.Helper()
	b := start(t, database, configure...)
	b.db = pgtest.Pool(t, database)
	return b
}

// queries counts the API's sessions that run a query.
func (b *bundle) queries() int {
	b.TB.Helper()
	var n int
	err := b.db.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND state = 'active'`, b.app).Scan(&n)
	if err != nil {
		b.TB.Fatal(err)
	}
	return n
}

// killQueries ends the sessions of the API as an administrator would.
func (b *bundle) killQueries() {
	b.TB.Helper()
	b.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1`, b.app)
}

func (b *bundle) wantAborted() {
	b.TB.Helper()
	await.True(b.TB, "a line of the log says aborted", func() bool {
		for _, line := range b.log.Requests() {
			if line["aborted"] == true && line["error"] != nil && line["status"] == 200.0 {
				return true
			}
		}
		return false
	})
}

func testQueryFails(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database)
	resp := b.Open(t.Context(), year)
	defer resp.Body.Close()
	b.killQueries()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after %d bytes the answer ended with %v, want %v", len(body), err, io.ErrUnexpectedEOF)
	}
	if strings.Contains(string(body), "problem") || strings.HasSuffix(string(body), "]") {
		t.Errorf("the answer ends in %q", body[max(0, len(body)-100):])
	}
	if got := resp.Trailer.Get("Content-Digest"); got != "" {
		t.Errorf("a broken answer has a digest: %s", got)
	}
	b.wantAborted()
	// The next request has a new session.
	b.OK("/data?" + day)
}

// HTTP/1.0 knows the end of a body by the connection's: a broken one is reset.
func testHTTP10(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database)
	request := func(path string) (*http.Response, net.Conn) {
		conn, err := apitest.DialSmall(t.Context(), "tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp, conn
	}

	whole, _ := request("/data?" + day)
	body, err := io.ReadAll(whole.Body)
	if err != nil || !strings.HasSuffix(string(body), "]") {
		t.Errorf("a whole answer ends with %v and %q", err, body[max(0, len(body)-100):])
	}
	if len(whole.TransferEncoding) > 0 || whole.Header.Get("Trailer") != "" {
		t.Errorf("HTTP/1.0 got %v, Trailer %q", whole.TransferEncoding, whole.Header.Get("Trailer"))
	}

	broken, _ := request(year)
	b.killQueries()
	if n, err := io.Copy(io.Discard, broken.Body); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after %d bytes a broken answer ended with %v, want a reset", n, err)
	}
	b.wantAborted()
}

func testClientLeaves(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database)
	ctx, cancel := context.WithCancel(t.Context())
	resp := b.Open(ctx, year)
	defer resp.Body.Close()
	if n := b.queries(); n != 1 {
		t.Fatalf("%d queries run, want 1", n)
	}
	cancel()
	await.True(t, "the query ends", func() bool { return b.queries() == 0 })
	b.wantAborted()
}

func TestClientLeavesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unlock := b.lock()
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+"/data?"+day, nil)
		resp, err := apitest.HTTPClient(t).Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	waiting := func() bool {
		var is bool
		err := b.db.QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'data'::regclass AND NOT granted)").Scan(&is)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	await.True(t, "the query waits for the lock", waiting)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	// The lock is still held: nothing but the cancel ends the query.
	await.True(t, "the query ends", func() bool { return !waiting() })
}

// A client that stops reading loses its answer, and the pool has its
// connection back.
func testSlowReader(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database, func(c *source.Config, _ *httpserve.Options) { c.WriteTimeout = time.Second })
	resp := b.Open(t.Context(), year)
	defer resp.Body.Close()
	await.True(t, "the query ends", func() bool { return b.queries() == 0 })
	b.wantAborted()
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the answer ended as if it were whole")
	}
}

func testDrain(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database, func(_ *source.Config, o *httpserve.Options) { o.DrainTimeout = time.Hour })
	resp := b.Open(t.Context(), year)
	defer resp.Body.Close()
	idle, err := net.Dial("tcp", b.addr) // as browsers keep in stock
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	await.True(t, "the server listens no more", func() bool {
		conn, err := net.Dial("tcp", b.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.Trailer.Get("Delfos-Rows") != strconv.Itoa(bigRows) {
		t.Errorf("the answer in flight ended after %d bytes with %v and trailers %v", n, err, resp.Trailer)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func testDrainIsBounded(t *testing.T, database string) {
	t.Helper()
	b := startOn(t, database, func(_ *source.Config, o *httpserve.Options) { o.DrainTimeout = 50 * time.Millisecond })
	resp := b.Open(t.Context(), year)
	defer resp.Body.Close()
	if err := b.stop(); err != nil { // returns though nobody reads
		t.Errorf("Serve: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the answer ended as if it were whole")
	}
	if n := b.queries(); n != 0 {
		t.Errorf("%d queries run on", n)
	}
}
