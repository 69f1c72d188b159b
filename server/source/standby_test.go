package source_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// A standby gives up what is being read for the sake of what its primary sends.
// That is said as it is, and never as a fault of the server's.
func TestStandbyConflicts(t *testing.T) {
	t.Parallel()
	primary, standby := pgtest.Standby(t)
	b := start(t, standby)
	writer := pgtest.Pool(t, primary)
	b.db = writer
	b.fill(50_000)
	await.True(t, "the standby has the samples", func() bool { return b.Get("/data?"+day).Body != "[]" })
	// Nobody counts there what is written.
	var changes sourceapi.DataChanges
	for range 2 {
		a := b.Get("/data/changes?" + url.Values{"since": {changes.Cursor}}.Encode())
		if changes.Cursor == "" {
			a = b.Get("/data/changes")
		}
		if err := json.Unmarshal([]byte(a.Body), &changes); err != nil || changes.Complete {
			t.Errorf("changes: got %d %s, want it not complete", a.Status, a.Body)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for {
			for _, sql := range []string{
				"DELETE FROM data WHERE timestamp < '2025-01-05'",
				"VACUUM data",
				"INSERT INTO data SELECT 1, '2025-01-01Z'::timestamptz + i * interval '1 min', 1, 1, 1 FROM generate_series(0, 5759) AS i",
			} {
				if _, err := writer.Exec(ctx, sql); err != nil {
					written <- err
					return
				}
			}
		}
	}()
	const conflicts = 5
	statuses := map[int]int{}
	for statuses[http.StatusServiceUnavailable] < conflicts && t.Context().Err() == nil {
		for _, path := range []string{"/data/digest?start=2025-01-01&end=2025-03-01", "/data?start=2025-01-01&end=2025-03-01&limit=10000"} {
			a := b.Get(path)
			statuses[a.Status]++
			switch a.Status {
			case http.StatusOK:
			case http.StatusServiceUnavailable:
				apitest.WantUnavailable(t, a, "the database")
			default:
				t.Fatalf("%s: got %d %s", path, a.Status, a.Body)
			}
		}
	}
	cancel()
	if err := <-written; ctx.Err() == nil {
		t.Error(err)
	}
	t.Logf("answers by status: %v", statuses)
}
