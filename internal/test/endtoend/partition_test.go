package endtoend_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/load"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestReferenceSampleEqualsPandas(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.importReference(t)
	summary := s.run(t, 10)
	want := referenceWindows(t)
	if summary.Inserted != int64(len(want)) || summary.Done != 10 {
		t.Errorf("summary: got %d inserted, %d done, want %d and 10", summary.Inserted, summary.Done, len(want))
	}
	same(t, s.values(t), want, 1e-12)
	s.wantNoDoubt(t, summary)
}

func TestEqualsPostgreSQL(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 3)
	// Gaps, missing readings, windows with one reading, none of one variable.
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 1 AND timestamp >= '2025-01-01 03:00' AND timestamp < '2025-01-01 05:07'")
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 2 AND timestamp >= '2025-01-02 00:01' AND timestamp < '2025-01-02 00:10'")
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = NULL WHERE turbine_id = 3 AND extract(minute FROM timestamp) < 20")
	pgtest.Exec(t, s.source, "UPDATE data SET power = NULL WHERE extract(minute FROM timestamp)::int % 7 = 0")
	pgtest.Exec(t, s.source, "INSERT INTO data VALUES (1, '2025-01-01 23:59:59.999999', 1, 2, 3), (1, '2025-01-01 03:00:30', 1, 2, 3)")
	s.run(t, 2)
	near(t, s.values(t), s.expected(t))
}

func TestDayOfOneTurbine(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	first := s.run(t, 1)
	want := etl.Partition{
		Day: "2025-01-01", Outcome: enum.OutcomeDone, Samples: 1440, Expected: 1440, Windows: 144,
		Rows: 2160, Inserted: 2160, Written: 2160, Token: 1,
	}
	ignore := cmpopts.IgnoreFields(etl.Partition{}, "Seconds")
	if diff := cmp.Diff(want, first.Partitions[0], ignore); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	version := pgtest.Query[string](t, s.target, "SELECT max(xmin::text) FROM data")
	second := s.run(t, 1)
	want.Inserted, want.Written, want.Token = 0, 0, 2
	if diff := cmp.Diff(want, second.Partitions[0], ignore); diff != "" {
		t.Errorf("second run (-want +got):\n%s", diff)
	}
	if now := pgtest.Query[string](t, s.target, "SELECT max(xmin::text) FROM data"); now != version {
		t.Error("the second run rewrote rows that had not changed")
	}
}

func TestFollowsTheSource(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 2)
	s.run(t, 1)
	tests := []struct {
		name                       string
		change                     string
		inserted, updated, deleted int64
	}{
		{"a changed reading changes its window", "UPDATE data SET power = power + 1000 WHERE turbine_id = 1 AND timestamp = '2025-01-01 10:03'", 0, 3, 0},
		{"a deleted sample changes its window", "DELETE FROM data WHERE turbine_id = 2 AND timestamp = '2025-01-01 11:03'", 0, 9, 0},
		{"an hour deleted removes its windows", "DELETE FROM data WHERE turbine_id = 1 AND timestamp >= '2025-01-01 12:00' AND timestamp < '2025-01-01 13:00'", 0, 0, 90},
		{"a late sample adds its window", "INSERT INTO data VALUES (1, '2025-01-01 12:30', 5, 6, 7)", 12, 0, 0},
		{"a reading that goes missing", "UPDATE data SET wind_speed = NULL WHERE turbine_id = 1 AND timestamp = '2025-01-01 12:30'", 0, 0, 4},
		{"nothing", "SELECT 1", 0, 0, 0},
		{"a turbine deleted", "DELETE FROM data WHERE turbine_id = 2", 0, 0, 2160},
		{"its row deleted too", "DELETE FROM turbine WHERE id = 2", 0, 0, 0},
	}
	for _, tt := range tests {
		pgtest.Exec(t, s.source, tt.change)
		allowed := request(1)
		allowed.AllowEmpty = true // the last changes remove a turbine's whole day
		got, err := s.job.Run(t.Context(), allowed)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.name == "a deleted sample changes its window" {
			// Mean, std and count of three variables for certain; min or max
			// only when the sample was one.
			if got.Updated < 9 || got.Updated > 15 || got.Inserted+got.Deleted != 0 {
				t.Errorf("%s: got %d inserted, %d updated, %d deleted", tt.name, got.Inserted, got.Updated, got.Deleted)
			}
		} else if got.Inserted != tt.inserted || got.Updated != tt.updated || got.Deleted != tt.deleted {
			t.Errorf("%s: got %d inserted, %d updated, %d deleted, want %d, %d, %d",
				tt.name, got.Inserted, got.Updated, got.Deleted, tt.inserted, tt.updated, tt.deleted)
		}
		near(t, s.values(t), s.expected(t))
	}
}

func TestTruncatedTargetIsFilledAgain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 2, 1)
	s.run(t, 2)
	want := s.values(t)
	pgtest.Exec(t, s.target, "TRUNCATE data")
	if got := s.run(t, 2); got.Inserted != 2*hourly {
		t.Errorf("inserted: got %d, want %d", got.Inserted, 2*hourly)
	}
	same(t, s.values(t), want, 0)
}

func TestExtremeReadings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for i, v := range []float64{1e9, 1e9 + 1e-3, 1e9 + 2e-3, -1e9, math.SmallestNonzeroFloat64, 1e300} {
		pgtest.Exec(t, s.source, "INSERT INTO data VALUES (1, $1, $2, NULL, NULL)", date("2025-01-01").Add(time.Duration(i/3)*10*time.Minute+time.Duration(i)*time.Second), v)
	}
	s.run(t, 1)
	got := s.values(t)
	std := got[key{1, date("2025-01-01"), "wind_speed_std"}]
	// The doubles nearest to 1e9 + 1e-3 and + 2e-3 are 1e9 + 2^-10 · 1.02…
	a, b := float64(1e9+1e-3)-1e9, float64(1e9+2e-3)-1e9
	mean := (a + b) / 3
	want := math.Sqrt((mean*mean + (a-mean)*(a-mean) + (b-mean)*(b-mean)) / 2)
	if math.Abs(std-want) > 1e-12*want {
		t.Errorf("std of readings of 1e9 that differ by 1e-3: got %v, want %v", std, want)
	}
}

func TestDayWithoutSamples(t *testing.T) {
	t.Parallel()
	s := setup(t)
	summary, err := s.job.Run(t.Context(), request(1))
	if !errors.Is(err, etl.ErrNoSamples) {
		t.Fatalf("run: got %v, want %v", err, etl.ErrNoSamples)
	}
	if !strings.HasPrefix(err.Error(), "2025-01-01: ") {
		t.Errorf("error %q does not name the day", err)
	}
	if got := summary.Partitions[0]; got.Outcome != enum.OutcomeFailed || got.Error != etl.ErrNoSamples.Error() {
		t.Errorf("partition: got outcome %s, error %q, want failed and %q", got.Outcome, got.Error, etl.ErrNoSamples)
	}
	allowed := request(1)
	allowed.AllowEmpty = true
	if summary, err = s.job.Run(t.Context(), allowed); err != nil || summary.Empty != 1 {
		t.Errorf("with empty days allowed: got %d empty, %v", summary.Empty, err)
	}

	// A day that had samples once keeps its values until that is allowed.
	s.seed(t, 1, 1)
	s.run(t, 1)
	pgtest.Exec(t, s.source, "DELETE FROM data")
	if _, err := s.job.Run(t.Context(), request(1)); !errors.Is(err, etl.ErrNoSamples) || !strings.Contains(err.Error(), "2160 of the 2160 values") {
		t.Errorf("run of a day whose samples are gone: got %v, want %v and how many values that would remove", err, etl.ErrNoSamples)
	}
	if got := len(s.values(t)); got != 2160 {
		t.Errorf("values after the failed run: got %d, want 2160", got)
	}
	if summary, err = s.job.Run(t.Context(), allowed); err != nil || summary.Deleted != 2160 {
		t.Errorf("with empty days allowed: got %d deleted, %v, want 2160", summary.Deleted, err)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 2)
	dry := request(2)
	dry.DryRun = true
	for _, step := range []struct {
		name                       string
		prepare                    func()
		inserted, updated, deleted int64
	}{
		{"before the first load", func() {}, 8640, 0, 0},
		{"after it", func() { s.run(t, 2) }, 0, 0, 0},
		{"after a change", func() {
			pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1000 WHERE turbine_id = 1 AND timestamp = '2025-01-01 10:03'")
			pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 2 AND timestamp < '2025-01-01 00:10'")
		}, 0, 3, 15},
	} {
		step.prepare()
		values, ledger := s.values(t), pgtest.Query[string](t, s.target, "SELECT coalesce(string_agg(p::text, ';' ORDER BY day), '') || (SELECT count(*) FROM run) FROM partition p")
		got, err := s.job.Run(t.Context(), dry)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got.Inserted != step.inserted || got.Updated != step.updated || got.Deleted != step.deleted || got.RunID != 0 {
			t.Errorf("%s: got run %d, %d inserted, %d updated, %d deleted; want none, %d, %d, %d",
				step.name, got.RunID, got.Inserted, got.Updated, got.Deleted, step.inserted, step.updated, step.deleted)
		}
		same(t, s.values(t), values, 0)
		if now := pgtest.Query[string](t, s.target, "SELECT coalesce(string_agg(p::text, ';' ORDER BY day), '') || (SELECT count(*) FROM run) FROM partition p"); now != ledger {
			t.Errorf("%s: the ledger changed from %s to %s", step.name, ledger, now)
		}
	}
}

func TestSubsetNeverMakesADayDone(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 4)
	subset := request(1)
	var err error
	if subset.Turbines, err = selector.Parse("2-3"); err != nil {
		t.Fatal(err)
	}
	got, err := s.job.Run(t.Context(), subset)
	if err != nil || got.Inserted != 4320 {
		t.Fatalf("run of turbines 2-3: got %d inserted, %v, want 4320", got.Inserted, err)
	}
	ledger := targetdb.New(s.target)
	p, err := ledger.ReadPartition(t.Context(), date("2025-01-01"))
	if err != nil || p.Outcome != nil || p.Rows != 4320 {
		t.Errorf("partition: got outcome %v, %d rows, %v; want none and 4320", p.Outcome, p.Rows, err)
	}
	if got := s.run(t, 1); got.Inserted != 4320 || got.Done != 1 {
		t.Errorf("run of all: got %d inserted, %d done, want 4320 and 1", got.Inserted, got.Done)
	}
	// It leaves the others alone, and a done day done.
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 1 OR timestamp < '2025-01-01 01:00'")
	if got, err = s.job.Run(t.Context(), subset); err != nil || got.Deleted != 2*6*15 {
		t.Errorf("second run of turbines 2-3: got %d deleted, %v, want %d", got.Deleted, err, 2*6*15)
	}
	if p, err = ledger.ReadPartition(t.Context(), date("2025-01-01")); err != nil || *p.Outcome != "done" {
		t.Errorf("partition: got outcome %v, %v, want done", p.Outcome, err)
	}
	if subset.Turbines, err = selector.Parse("7-9"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.job.Run(t.Context(), subset); err == nil || !strings.Contains(err.Error(), "7-9") {
		t.Errorf("run of turbines that are not there: got %v, want an error that names 7-9", err)
	}
}

func TestTargetWithoutTables(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	pgtest.Exec(t, s.target, "DELETE FROM signal WHERE id = 3")
	if _, err := s.job.Run(t.Context(), request(1)); !errors.Is(err, load.ErrNoSignals) || !strings.Contains(err.Error(), "wind_speed_max") {
		t.Errorf("run without a signal: got %v, want %v, naming it", err, load.ErrNoSignals)
	}
	pgtest.Exec(t, s.target, "DROP TABLE data")
	if _, err := s.job.Run(t.Context(), request(1)); err == nil || !strings.Contains(err.Error(), "delfos schema apply target") {
		t.Errorf("run without a table: got %v, want the way out", err)
	}
}

// TestUnchangedDayIsNotExtracted: when the digests of source and target are the
// ledger's, no rows are read out; when either is not, they are.
func TestUnchangedDayIsNotExtracted(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	pgtest.Exec(t, s.source, "UPDATE data SET power = NULL WHERE timestamp = '2025-01-01 00:05'")
	pgtest.Exec(t, s.source, "UPDATE data SET power = 0 WHERE timestamp = '2025-01-01 00:06'")
	const swapped = " WHERE turbine_id = 2 AND timestamp IN ('2025-01-01 00:20', '2025-01-01 00:21')"
	pgtest.Exec(t, s.source, "UPDATE data SET power = CASE extract(minute FROM timestamp) WHEN 20 THEN 1 ELSE 2 END"+swapped)
	for _, step := range []struct {
		name     string
		pool     *pgxpool.Pool
		change   string
		requests int
		written  int64
	}{
		{"first load", s.source, "SELECT 1", 2, 3 * 2160},
		{"nothing", s.source, "SELECT 1", 0, 0},
		{"0 becomes missing", s.source, "UPDATE data SET power = NULL WHERE timestamp = '2025-01-01 00:06' AND turbine_id = 1", 2, 4},
		{"nothing again", s.source, "SELECT 1", 0, 0},
		{"readings of two minutes change places", s.source, "UPDATE data SET power = 3 - power" + swapped, 2, 0},
		{"a value is changed by hand", s.target, "UPDATE data SET value = value + 1 WHERE turbine_id = 1 AND signal_id = 1 AND timestamp = '2025-01-01'", 2, 1},
		{"a value is removed by hand", s.target, "DELETE FROM data WHERE turbine_id = 1 AND signal_id = 1 AND timestamp = '2025-01-01'", 2, 1},
		{"the target is emptied", s.target, "TRUNCATE data", 2, 3 * 2160},
		{"nothing at last", s.source, "SELECT 1", 0, 0},
	} {
		pgtest.Exec(t, step.pool, step.change)
		s.gateway.spoil()
		got := s.run(t, 1)
		if n := s.gateway.count(); n != step.requests || got.Done != 1 {
			t.Errorf("%s: got %d requests, %d done, want %d and 1", step.name, n, got.Done, step.requests)
		}
		if p := got.Partitions[0]; p.Written != step.written || p.Samples != 3*1440 || p.Windows != 3*144 || p.Rows != 3*2160 {
			t.Errorf("%s: got %+v, want %d written", step.name, p, step.written)
		}
		near(t, s.values(t), s.expected(t))
	}
}

// TestDigestOfACopyIsTheDatabases: the digest that a first load computes on its
// way is the one that PostgreSQL finds afterwards.
func TestDigestOfACopyIsTheDatabases(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	pgtest.Exec(t, s.source, "UPDATE data SET power = 0 WHERE timestamp < '2025-01-01 00:10'") // values of 0
	s.run(t, 1)
	ledger := targetdb.New(s.target)
	p, err := ledger.ReadPartition(t.Context(), date("2025-01-01"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger.DigestValues(t.Context(), targetdb.DigestValuesParams{Start: date("2025-01-01"), Stop: date("2025-01-02")})
	if err != nil || p.TargetDigest == nil || *p.TargetDigest != got.Digest || p.Rows != got.Rows {
		t.Errorf("ledger: got %d rows, digest %v; the database says %+v, %v", p.Rows, p.TargetDigest, got, err)
	}
}
