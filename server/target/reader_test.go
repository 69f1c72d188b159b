package target_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/target"
)

// bound gives the API two sessions, of which one may wait for its client.
func bound(o *options) {
	o.api.AcquireTimeout = 4 * time.Second
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
	slow := b.Open(t.Context(), long)
	defer slow.Body.Close()
	for range 3 { // more often than there are sessions
		for _, path := range append(reads(), "/ready") {
			if path == "/events" {
				continue // it does not end
			}
			b.OK(path)
		}
	}
	a := b.Get(long)
	apitest.WantUnavailable(t, a, "too many answers of more than a day", "1 at once")

	floored := start(t, b.database, func(o *options) { o.api.Floor = httpserve.Floor{Rate: 1 << 40, Over: time.Second} })
	cut := floored.Open(t.Context(), long)
	defer cut.Body.Close()
	await.True(t, "the log says why the client is cut off", func() bool {
		for _, line := range floored.log.Requests() {
			if line["aborted"] == true && strings.Contains(line.Text("error"), "the client reads too slowly") {
				return true
			}
		}
		return false
	})
	if n, err := io.Copy(io.Discard, cut.Body); err == nil {
		t.Errorf("after %d bytes the answer ended as if it were whole", n)
	}
}

// Values come by turbine, time and signal, in whatever order the table has them.
func TestOrderOfValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, 1000 * t + s + random()
		FROM generate_series(1, 3) AS t, generate_series(1, 15) AS s,
			generate_series('2025-01-01Z'::timestamptz, '2025-01-01 23:50Z', '10 min') AS at`)
	const day = "/windows?start=2025-01-01&end=2025-01-02&format=csv"
	want := b.OK(day).Body
	b.exec("CREATE TEMP TABLE away AS TABLE data; TRUNCATE data; INSERT INTO data (turbine_id, signal_id, timestamp, value) SELECT turbine_id, signal_id, timestamp, value FROM away ORDER BY random()")
	unordered := start(t, b.database+"&enable_indexscan=off&enable_seqscan=on") // which reads rows as they lie
	if diff := cmp.Diff(want, unordered.OK(day).Body); diff != "" {
		t.Errorf("of rows in disorder (-want +got):\n%s", diff)
	}
}

// One more than may follow is refused, until another leaves.
func TestFollowersAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.api.Followers = 2 })
	first, second := b.follow(t, ""), b.follow(t, "")
	a := b.Get("/events")
	apitest.WantUnavailable(t, a, "too many clients follow the events", "2 at once")
	first.cancel()
	await.True(t, "a place is free", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := apitest.HTTPClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	second.cancel()
}
