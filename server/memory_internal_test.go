package server

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func session(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func TestMemory(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	old := session(t, url)
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	q := query{start: at, stop: at.AddDate(0, 0, 1)}
	want := reading{rows: 3, hash: 7}

	var m memory
	known := func(q query, snapshot string) bool {
		got, ok := m.recall(q, snapshot)
		if ok && got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		return ok
	}
	generation := m.meet(old)
	m.keep(generation, q, "1:1:", want)
	if !known(q, "1:1:") || known(q, "1:2:1") || known(q, "") {
		t.Error("a reading is not known in its snapshot, or in another")
	}
	later := q
	later.stop = later.stop.Add(time.Microsecond)
	if known(later, "1:1:") {
		t.Error("a reading is known of another query")
	}
	m.keep(generation, later, "1:2:1", want)
	if known(q, "1:2:1") || known(q, "1:1:") || !known(later, "1:2:1") {
		t.Error("another snapshot leaves what was known, or adds nothing")
	}

	// What an older session finds out while a newer one comes is not kept.
	if g := m.meet(old); g != generation || !known(later, "1:2:1") {
		t.Error("a session that is known forgets")
	}
	newer := m.meet(session(t, url))
	if newer == generation || known(later, "1:2:1") {
		t.Error("a new session trusts what was known before it")
	}
	m.keep(generation, q, "1:3:", want)
	if known(q, "1:3:") {
		t.Error("a reading is kept that began before a new session")
	}

	// On a standby there is no text.
	m.keep(newer, q, "", want)
	if known(q, "") {
		t.Error("a reading is kept without a snapshot")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m memory
	generation := m.meet(session(t, pgtest.Empty(t)))
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2 * maxRemembered {
		m.keep(generation, query{start: at, stop: at.Add(time.Duration(i) * time.Microsecond)}, "1:1:", reading{})
	}
	if n := len(m.readings); n == 0 || n > maxRemembered {
		t.Errorf("%d readings are kept, want %d at most", n, maxRemembered)
	}
	var ids []int32
	for id := int32(1); id < maxQuery; id += 2 {
		ids = append(ids, id)
	}
	many := selector.Of(ids...)
	long := query{start: at, stop: at, turbines: &many}
	m.keep(generation, long, "1:1:", reading{})
	if _, ok := m.recall(long, "1:1:"); ok {
		t.Errorf("a query of %d bytes is kept, want %d at most", len(long.String()), maxQuery)
	}
}
