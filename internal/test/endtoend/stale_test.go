package endtoend_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// late asks for the days from 2024-12-31 to 2025-01-12: one that failed, ten that
// are loaded, two that are not.
func late() etl.Request {
	r := request(12)
	r.From, r.AllowEmpty = date("2024-12-31"), true
	return r
}

func days(times []time.Time) string {
	texts := make([]string, len(times))
	for i, d := range times {
		texts[i] = d.Format(time.DateOnly)
	}
	return strings.Join(texts, " ")
}

// stale returns the days that the job finds changed.
func (s *system) stale(t *testing.T, r etl.Request) []time.Time {
	t.Helper()
	found, err := s.job.Stale(t.Context(), r)
	if err != nil || found == nil {
		t.Fatalf("stale: got %v, %v", found, err)
	}
	return found
}

const (
	// ledgerStale is how SQL tells what the job does.
	ledgerStale = `SELECT coalesce(string_agg(day::text, ' ' ORDER BY day), '') FROM partition
		WHERE outcome IN ('done', 'empty') AND source_digest IS DISTINCT FROM source_digest_seen`
	attempts   = "SELECT string_agg(to_char(day, 'DD') || ':' || token, ' ' ORDER BY day) FROM partition"
	ledgerText = "SELECT string_agg(p::text, ';' ORDER BY day) || (SELECT count(*) FROM run) FROM partition p"
)

func TestStaleDaysAreRunAgain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 12, 2)
	failing := request(0)
	failing.From = date("2024-12-31")
	if _, err := s.job.Run(t.Context(), failing); !errors.Is(err, etl.ErrNoSamples) {
		t.Fatalf("run of a day without samples: got %v, want %v", err, etl.ErrNoSamples)
	}
	s.run(t, 10)
	loaded, known, err := s.job.Loaded(t.Context(), date("2024-01-01"), date("2025-12-31"))
	if err != nil || !known || loaded != (etl.Span{First: date("2025-01-01"), Last: date("2025-01-10")}) {
		t.Errorf("loaded days: got %v, %t, %v, want 2025-01-01 to 2025-01-10", loaded, known, err)
	}
	if got := s.stale(t, late()); len(got) > 0 {
		t.Errorf("stale after the load: got %s, want none", days(got))
	}

	for _, sql := range []string{
		"INSERT INTO data VALUES (1, '2024-12-31 12:00', 1, 2, 3)", // of the day that failed
		"UPDATE data SET power = power + 1 WHERE turbine_id = 2 AND timestamp = '2025-01-03 10:00'",
		"DELETE FROM data WHERE turbine_id = 1 AND timestamp = '2025-01-05 23:00'",
		"INSERT INTO data VALUES (1, '2025-01-07 00:00:30', 1, 2, 3)",
		"DELETE FROM data WHERE timestamp >= '2025-01-09' AND timestamp < '2025-01-10'",
	} {
		pgtest.Exec(t, s.source, sql)
	}
	const want = "2025-01-03 2025-01-05 2025-01-07 2025-01-09"
	dry := late()
	dry.DryRun = true
	before := pgtest.Query[string](t, s.target, ledgerText)
	dry.Days = s.stale(t, dry)
	if got := days(dry.Days); got != want {
		t.Errorf("stale, dry: got %s, want %s", got, want)
	}
	if got, err := s.job.Run(t.Context(), dry); err != nil || len(got.Partitions) != 4 || got.Written == 0 {
		t.Errorf("dry run: got %+v, %v, want 4 days with something to write", got, err)
	}
	if diff := cmp.Diff(before, pgtest.Query[string](t, s.target, ledgerText)); diff != "" {
		t.Errorf("ledger after a dry run (-before +after):\n%s", diff)
	}

	r := late()
	r.Days = s.stale(t, r)
	if got := days(r.Days); got != want {
		t.Errorf("stale: got %s, want %s", got, want)
	}
	if got := pgtest.Query[string](t, s.target, ledgerStale); got != want {
		t.Errorf("the ledger's stale days: got %s, want %s", got, want)
	}
	s.stale(t, late()) // sees nothing new, and says nothing
	if got := pgtest.Query[string](t, s.target, "SELECT string_agg(day::text, ' ' ORDER BY day) FROM event WHERE state = 'stale'"); got != want {
		t.Errorf("events of stale days: got %s, want %s", got, want)
	}
	got, err := s.job.Run(t.Context(), r)
	if err != nil || got.Done != 3 || got.Empty != 1 || got.From != "2024-12-31" || got.To != "2025-01-12" {
		t.Errorf("run: got %+v, %v, want 3 done and 1 empty", got, err)
	}
	if of := pgtest.Query[string](t, s.target, "SELECT string_agg(day || '', ' ' ORDER BY day) FROM run_partition WHERE run_id = $1", got.RunID); of != want {
		t.Errorf("days of the run: got %s, want %s", of, want)
	}
	const tokens = "31:1 01:1 02:1 03:2 04:1 05:2 06:1 07:2 08:1 09:2 10:1"
	if got := pgtest.Query[string](t, s.target, attempts); got != tokens {
		t.Errorf("attempts: got %s, want %s", got, tokens)
	}

	// All is well again, and stays so without a run.
	if r.Days = s.stale(t, r); len(r.Days) > 0 {
		t.Errorf("stale after the rerun: got %s, want none", days(r.Days))
	}
	if got := pgtest.Query[string](t, s.target, ledgerStale); got != "" {
		t.Errorf("the ledger's stale days after the rerun: got %s, want none", got)
	}
	if got, err := s.job.Run(t.Context(), r); err != nil || got.RunID != 0 || got.Partitions == nil || len(got.Partitions) > 0 {
		t.Errorf("run of no days: got %+v, %v, want no run", got, err)
	}
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp < '2025-01-01' OR timestamp >= '2025-01-11'")
	near(t, s.values(t), s.expected(t))
}

// TestStaleWhenUnknown: after a run of some turbines of a done day nobody knows
// whether it is what the source holds.
func TestStaleWhenUnknown(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if loaded, known, err := s.job.Loaded(t.Context(), date("2024-01-01"), date("2025-12-31")); err != nil || known {
		t.Errorf("loaded days of an empty ledger: got %v, %v, want none", loaded, err)
	}
	if got := s.stale(t, request(2)); len(got) > 0 {
		t.Errorf("stale in an empty ledger: got %s, want none", days(got))
	}
	s.hours(t, 2, 2)
	s.run(t, 2)
	some := request(1)
	var err error
	if some.Turbines, err = selector.Parse("2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.job.Run(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	r := request(2)
	if r.Days = s.stale(t, r); days(r.Days) != "2025-01-01" {
		t.Errorf("stale: got %q, want 2025-01-01", days(r.Days))
	}
	if _, err := s.job.Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := s.stale(t, r); len(got) > 0 {
		t.Errorf("stale after the rerun: got %s, want none", days(got))
	}
	// Somebody who is about to commit holds nobody up.
	tx, err := s.target.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "UPDATE partition SET error = NULL WHERE day = '2025-01-01'"); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 1")
	if got := s.stale(t, r); days(got) != "2025-01-01 2025-01-02" {
		t.Errorf("stale while a day is being written: got %q, want both", days(got))
	}
	if got := pgtest.Query[string](t, s.target, ledgerStale); got != "2025-01-02" {
		t.Errorf("the ledger's stale days meanwhile: got %q, want 2025-01-02", got)
	}
}
