package target_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/test/apitest"
)

// The status of many days: all are counted, the newest are named, and nothing waits for
// the source, which is away.
func TestStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	b.exec(`INSERT INTO partition (day, run_id, outcome, error, source_digest, source_digest_seen, looked_at)
		SELECT '2024-01-01'::date + n, 1, (CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'done' END)::outcome, 'no', n, n + 1, '2025-01-09Z'
		FROM generate_series(0, 299) AS n`)
	b.exec(`INSERT INTO worker (id, host, pid, workers, jobs, started_at, lease_until) VALUES
		('a', 'h', 7, 2, '{}', '2025-01-09Z', 'infinity'), ('dead', 'h', 9, 9, '{}', '2025-01-09Z', '2025-01-01Z')`)
	b.exec(`INSERT INTO river.river_job (kind, args, state, queue, max_attempts, attempted_by, attempted_at)
		VALUES ('partition', '{"day":"2025-01-08","run_id":4}', 'running', 'partition', 5, '{a}', now())`)
	read := func() targetapi.Status {
		t.Helper()
		a := b.OK("/status")
		b.validator().check(t, "Status", []byte(a.Body))
		return apitest.Decode[targetapi.Status](t, a, http.StatusOK)
	}
	s := read()
	if got, want := s.States, (targetapi.StateCounts{
		Missing: 66 + 1, Queued: 1, Running: 1, Done: 1, Stale: 1 + 150, Empty: 1, Failed: 2 + 150, Cancelled: 1,
	}); got != want {
		t.Errorf("states: got %+v, want %+v", got, want)
	}
	if len(s.Failed) != 100 || len(s.Stale) != 100 {
		t.Fatalf("%d failed and %d stale days, want the newest 100 of each", len(s.Failed), len(s.Stale))
	}
	newest := s.Stale[98:]
	want := []targetapi.Partition{
		{Day: day(t, "2024-10-26"), State: "stale", RunId: new(int64(1)), SourceDigest: new("000000000000012b"), SourceDigestSeen: new("000000000000012c")},
		{Day: day(t, "2025-01-02"), State: "stale", RunId: new(int64(1)), SourceDigest: new("0000000000000001"), SourceDigestSeen: new("0000000000000002")},
	}
	for i, p := range newest {
		got := targetapi.Partition{Day: p.Day, State: p.State, RunId: p.RunId, SourceDigest: p.SourceDigest, SourceDigestSeen: p.SourceDigestSeen}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("a stale day (-want +got):\n%s", diff)
		}
	}
	if at := newest[0].LookedAt; at == nil || !at.Equal(time.Date(2025, 1, 9, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("looked at %v", at)
	}
	if len(s.Workers) != 1 || s.Workers[0].Id != "a" || s.Workers[0].Busy != 1 {
		t.Errorf("workers: %+v", s.Workers)
	}
	if s.Source.Answers != nil {
		t.Errorf("source, which was not asked: %+v", s.Source)
	}
	b.OK("/partitions") // asks it
	if s := read().Source; s.Answers == nil || *s.Answers || s.Error == nil || s.AskedAt == nil {
		t.Errorf("source, which is away: %+v", s)
	}
}

// Long JSON is compressed as the client takes it, and an entity tag spares a list of days
// that has not changed.
func TestPackedJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	const path = "/partitions?from=2024-01-01&to=2025-01-09"
	plain := b.OK(path)
	tag := plain.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || plain.Header.Get("Content-Encoding") != "" || !strings.Contains(plain.Header.Get("Vary"), "Accept-Encoding") {
		t.Errorf("plain: %v", plain.Header)
	}
	packed := b.OK(path, "Accept-Encoding: gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("ETag") != tag || len(packed.Body) > len(plain.Body)/10 {
		t.Errorf("packed: %d of %d bytes, %v", len(packed.Body), len(plain.Body), packed.Header)
	}
	reader, err := gzip.NewReader(strings.NewReader(packed.Body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || string(text) != plain.Body {
		t.Errorf("unpacked: %v, %.200s", err, text)
	}
	if short := b.OK("/partitions?from=2025-01-01&to=2025-01-01", "Accept-Encoding: gzip"); !json.Valid([]byte(short.Body)) {
		t.Errorf("short: %v %s", short.Header, short.Body)
	}
	for _, coding := range []string{"gzip", "identity"} {
		if a := b.Get(path, "Accept-Encoding: "+coding, "If-None-Match: "+tag); a.Status != http.StatusNotModified || a.Body != "" || a.Header.Get("ETag") != tag {
			t.Errorf("with its tag, %s: %d %v %s", coding, a.Status, a.Header, a.Body)
		}
	}
	if a := b.Do(http.MethodHead, path, "", "Accept-Encoding: gzip"); a.Status != http.StatusOK || a.Body != "" || a.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", a.Status, a.Header)
	}
	b.exec("UPDATE partition SET rows = rows + 1 WHERE day = '2025-01-01'")
	if a := b.Get(path, "If-None-Match: "+tag); a.Status != http.StatusOK {
		t.Errorf("with an old tag: %d", a.Status)
	}
	// A stream of rows packs itself, and closes with the digest of the bytes as sent.
	if a := b.OK("/checks", "Accept-Encoding: gzip"); a.Trailer.Get("Content-Digest") == "" || a.Header.Get("ETag") != "" {
		t.Errorf("/checks: %v %v", a.Header, a.Trailer)
	}
}
