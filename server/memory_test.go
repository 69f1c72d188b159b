package server_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A tag that was computed is computed no more while nothing is committed, and
// anew as soon as anything is: also what was written before the tag was asked
// for, and committed behind it.
func TestTagFromMemory(t *testing.T) {
	t.Parallel()
	filled := setup(t)
	fixture(filled)
	b, queries := traced(t, filled.database)
	const path = "/data?" + day
	first := b.get(path)
	tag := "If-None-Match: " + first.header.Get("ETag")
	// Tests beside this one write to databases of the same server now and then.
	remembered := func(path, tag string) {
		t.Helper()
		until := time.Now().Add(5 * time.Minute)
		for {
			queries.take()
			if a := b.get(path, tag); a.status != http.StatusNotModified {
				t.Fatalf("%s: got %d, want %d", path, a.status, http.StatusNotModified)
			}
			asked := queries.take()
			if slices.Equal(asked, []string{"Snapshot"}) {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s: each time it asks %v, want Snapshot alone", path, asked)
			}
		}
	}
	for _, p := range []string{path, path + "&turbines=1-2", path + "&limit=3", path + "&limit=3&turbines=all"} {
		remembered(p, "If-None-Match: "+b.get(p).header.Get("ETag"))
	}

	const change = "UPDATE data SET power = power + 1 WHERE turbine_id = 1 AND timestamp = '2025-01-01 00:01Z'"
	ctx := t.Context()
	write := func(ended func(pgx.Tx) error) {
		t.Helper()
		tx, err := filled.db.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(ctx) }()
		if _, err := tx.Exec(ctx, change); err != nil {
			t.Fatal(err)
		}
		remembered(path, tag)
		if err := ended(tx); err != nil {
			t.Fatal(err)
		}
	}
	write(func(tx pgx.Tx) error { return tx.Rollback(ctx) })
	wantNotModified(t, b, path, first, tag)
	write(func(tx pgx.Tx) error { return tx.Commit(ctx) })
	second := b.get(path, tag)
	if second.status != http.StatusOK || second.body == first.body {
		t.Errorf("after a change: got %d and the same body: %t, want 200 and another", second.status, second.body == first.body)
	}
	tag = "If-None-Match: " + second.header.Get("ETag")
	remembered(path, tag)
}
