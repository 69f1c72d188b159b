package target_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/target"
)

// open begins a request and reads no more than the answer's head: its sender
// soon blocks.
func (b *bundle) open(ctx context.Context, path string) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: dialSmall}
	b.t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s", path, resp.Status)
	}
	return resp
}

// dialSmall connects with a small buffer to receive into.
func dialSmall(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetReadBuffer(32 << 10)
	}
	return conn, err
}

// bound gives the API two sessions, of which one may wait for its client.
func bound(o *options) {
	o.api.AcquireTimeout = time.Second
	pool, err := target.OpenPool(context.Background(), o.api.Pool.Config().ConnString()+"&pool_max_conns=1")
	if err != nil {
		panic(err)
	}
	o.api.Pool.Close()
	o.api.Pool = pool
}

// A client that takes its time over a long answer keeps nobody from a short one,
// and the next long one is told the truth. Below the floor it is cut off.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	b := setup(t, bound)
	b.ledger()
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT 1, s, at, 1 FROM generate_series(1, 15) AS s,
			generate_series('2025-01-01Z'::timestamptz, '2025-02-28 23:50Z', '10 min') AS at`)
	const long = "/windows?start=2025-01-01&end=2025-03-01"
	slow := b.open(t.Context(), long)
	defer slow.Body.Close()
	for range 3 { // more often than there are sessions
		for _, path := range append(reads(), "/ready") {
			if path == "/events" {
				continue // it does not end
			}
			if a := b.get(path); a.status != http.StatusOK {
				t.Errorf("%s: %d %.200s", path, a.status, a.body)
			}
		}
	}
	a := b.get(long)
	wantProblem(t, a, http.StatusServiceUnavailable, "too many answers of more than a day", "1 at once")
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}

	floored := start(t, b.database, func(o *options) { o.api.Floor = httpserve.Floor{Rate: 1 << 40, Over: time.Millisecond} })
	cut := floored.open(t.Context(), long)
	defer cut.Body.Close()
	eventually(t, "the log says why the client is cut off", func() bool {
		for _, line := range floored.log.requests() {
			if line["aborted"] == true && strings.Contains(text(line["error"]), "the client reads too slowly") {
				return true
			}
		}
		return false
	})
	if n, err := io.Copy(io.Discard, cut.Body); err == nil {
		t.Errorf("after %d bytes the answer ended as if it were whole", n)
	}
}

// One more than may follow is refused, until another leaves.
func TestFollowersAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.api.Followers = 2 })
	first, second := b.follow(t, ""), b.follow(t, "")
	a := b.get("/events")
	wantProblem(t, a, http.StatusServiceUnavailable, "too many clients follow the events", "2 at once")
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	first.cancel()
	eventually(t, "a place is free", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	second.cancel()
}
