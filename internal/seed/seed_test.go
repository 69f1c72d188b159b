package seed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const minutes = 24 * 60

func setup(t *testing.T) (context.Context, *pgxpool.Pool) {
	t.Helper()
	return t.Context(), pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
}

// days returns options that start on a day of January 2025.
func days(first, days, turbines int) seed.Options {
	return seed.Options{Start: time.Date(2025, 1, first, 0, 0, 0, 0, time.UTC), Days: days, Turbines: turbines}
}

func run(t *testing.T, pool *pgxpool.Pool, opts seed.Options, want seed.Result) {
	t.Helper()
	got, err := seed.Run(t.Context(), pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// get returns the one value that a query gives.
func get[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// contents digests the rows of the turbines and days given, in their order.
func contents(t *testing.T, pool *pgxpool.Pool, turbines, days int) string {
	t.Helper()
	return get[string](t, pool, `
		SELECT md5(string_agg(row(d.*)::text, ',' ORDER BY turbine_id, timestamp)) FROM data AS d
		WHERE turbine_id <= $1 AND timestamp < '2025-01-01Z'::timestamptz + $2 * interval '1 day'`, turbines, days)
}

func TestRun(t *testing.T) {
	t.Parallel()
	_, pool := setup(t)
	run(t, pool, days(1, 2, 3), seed.Result{Inserted: 3 * 2 * minutes})

	const whole = `
		SELECT count(*) = 3 * 2 * 1440
		   AND count(wind_speed) = count(*) AND count(power) = count(*) AND count(ambient_temperature) = count(*)
		   AND min(timestamp) = '2025-01-01T00:00Z' AND max(timestamp) = '2025-01-02T23:59Z'
		   AND count(DISTINCT timestamp) = 2 * 1440
		   AND bool_and(timestamp = date_trunc('minute', timestamp))
		FROM data`
	if !get[bool](t, pool, whole) {
		t.Error("the samples have a gap or a missing reading")
	}
	// Turbine 1 was there before, and stays as it was.
	if got := get[string](t, pool, `SELECT string_agg(concat_ws('=', id, name, rated_power, cut_in, cut_out), ' ' ORDER BY id) FROM turbine`); got !=
		"1=Turbine 1 2=Turbine 2=2000=3=25 3=Turbine 3=2000=3=25" {
		t.Errorf("turbines: got %q", got)
	}
}

func TestSameArgumentsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	_, once := setup(t)
	run(t, once, days(1, 2, 2), seed.Result{Inserted: 2 * 2 * minutes})
	_, longer := setup(t)
	run(t, longer, days(1, 3, 3), seed.Result{Inserted: 3 * 3 * minutes})
	_, pieces := setup(t)
	run(t, pieces, days(2, 1, 2), seed.Result{Inserted: 2 * minutes})
	run(t, pieces, days(1, 2, 2), seed.Result{Inserted: 2 * minutes, Existing: 2 * minutes})

	want := contents(t, once, 2, 2)
	if got := contents(t, longer, 2, 2); got != want {
		t.Error("a longer range of more turbines differs on the rows that it shares with a shorter one")
	}
	if got := contents(t, pieces, 2, 2); got != want {
		t.Error("a range in two pieces differs from the range at once")
	}
}

// TestGolden pins the values themselves: who has seeded with an older version
// and seeds more days must not see a step.
func TestGolden(t *testing.T) {
	t.Parallel()
	_, pool := setup(t)
	run(t, pool, days(1, 1, 1), seed.Result{Inserted: minutes})
	got := get[[]string](t, pool, `
		SELECT array_agg(to_char(timestamp, 'HH24:MI') || ' ' || wind_speed || ' ' || power || ' ' || ambient_temperature
			ORDER BY timestamp)
		FROM data WHERE extract(minute FROM timestamp) = 0 AND extract(hour FROM timestamp) IN (0, 6, 12, 18)`)
	want := []string{
		"00:00 5.222 135.568 1.058",
		"06:00 5.266 139.376 2.379",
		"12:00 1.974 -6.263 8.888",
		"18:00 1.58 -4.975 7.917",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestRunAgainChangesNothing(t *testing.T) {
	t.Parallel()
	ctx, pool := setup(t)
	run(t, pool, days(1, 1, 2), seed.Result{Inserted: 2 * minutes})
	for _, sql := range []string{
		`UPDATE data SET wind_speed = -1 WHERE turbine_id = 2 AND timestamp = '2025-01-01T12:00Z'`,
		`UPDATE data SET power = NULL WHERE turbine_id = 1 AND timestamp = '2025-01-01T12:00Z'`,
		`DELETE FROM data WHERE turbine_id = 1 AND timestamp = '2025-01-01T13:00Z'`,
		`UPDATE turbine SET name = 'North' WHERE id = 2`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	run(t, pool, days(1, 1, 2), seed.Result{Inserted: 1, Existing: 2*minutes - 1})
	if !get[bool](t, pool, `
		SELECT count(*) = 2 FROM data
		WHERE turbine_id = 2 AND wind_speed = -1 OR turbine_id = 1 AND power IS NULL`) {
		t.Error("a row that existed was changed")
	}
	if got := get[string](t, pool, `SELECT name FROM turbine WHERE id = 2`); got != "North" {
		t.Errorf("turbine 2 is called %q now, want North", got)
	}
}

func TestSeedsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, pool := setup(t)
	var (
		wg      sync.WaitGroup
		results [4]seed.Result
		errs    [4]error
	)
	for i := range results {
		wg.Go(func() { results[i], errs[i] = seed.Run(ctx, pool, days(1, 1+i%2, 3)) })
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	var inserted int64
	for _, r := range results {
		inserted += r.Inserted
	}
	if inserted != 3*2*minutes {
		t.Errorf("inserted %d rows together, want %d: %v", inserted, 3*2*minutes, results)
	}
	if got := get[int64](t, pool, `SELECT count(*) FROM data`); got != 3*2*minutes {
		t.Errorf("%d rows, want %d", got, 3*2*minutes)
	}
}

// TestRowCommittedMeanwhile holds a seed in its COPY behind a row that another
// transaction has not committed yet.
func TestRowCommittedMeanwhile(t *testing.T) {
	t.Parallel()
	ctx, pool := setup(t)
	other, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(ctx)
	if _, err := other.Exec(ctx, `INSERT INTO data VALUES (1, '2025-01-01T12:00Z', 1, 2, 3)`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var result seed.Result
	go func() {
		var err error
		result, err = seed.Run(ctx, pool, days(1, 1, 1))
		done <- err
	}()
	waits := func() bool {
		return get[bool](t, pool, `SELECT EXISTS (
			SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY "data" %')`)
	}
	for !waits() {
		select {
		case err := <-done:
			t.Fatalf("the seed did not wait: %v", err)
		default:
		}
	}
	if err := other.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seed.Result{Inserted: minutes - 1, Existing: 1}, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if got := get[float64](t, pool, `SELECT power FROM data WHERE timestamp = '2025-01-01T12:00Z'`); got != 2 {
		t.Errorf("the row that was there has power %g now, want 2", got)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	_, pool := setup(t)
	opts := days(1, 2, 2)
	var got [][2]int64
	opts.Progress = func(done, total int64) { got = append(got, [2]int64{done, total}) }
	run(t, pool, opts, seed.Result{Inserted: 4 * minutes})
	want := [][2]int64{{1440, 5760}, {2880, 5760}, {4320, 5760}, {5760, 5760}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestCancelledRunLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, pool := setup(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := days(1, 3_000, 5)
	opts.Progress = func(done, _ int64) {
		if done > 10*minutes {
			cancel()
		}
	}
	if _, err := seed.Run(ctx, pool, opts); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	if got := get[int64](t, pool, `SELECT (SELECT count(*) FROM data) + (SELECT count(*) FROM turbine)`); got != 1 {
		t.Errorf("%d rows are there, want turbine 1 alone", got)
	}
}

func TestRunRefusesBadOptions(t *testing.T) {
	t.Parallel()
	_, err := seed.Run(t.Context(), nil, days(1, 0, 1))
	if err == nil || err.Error() != "seed: days: 0 is not from 1 to 36600" {
		t.Errorf("got %v", err)
	}
}

func TestRunWithoutSchema(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	_, err := seed.Run(t.Context(), pool, days(1, 1, 1))
	want := `seed from 2025-01-01 (days: 1, turbines: 1): create turbines: ERROR: relation "turbine" does not exist`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func BenchmarkRun(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Source(b))
	opts := days(1, 30, 1)
	for b.Loop() {
		if _, err := pool.Exec(b.Context(), `TRUNCATE data`); err != nil {
			b.Fatal(err)
		}
		if _, err := seed.Run(b.Context(), pool, opts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*30*minutes/b.Elapsed().Seconds(), "rows/s")
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	valid := day("2025-01-01T00:00:00Z")
	for name, tt := range map[string]struct {
		opts seed.Options
		want string
	}{
		"smallest":    {seed.Options{Start: day("1900-01-01T00:00:00Z"), Days: 1, Turbines: 1}, ""},
		"largest":     {seed.Options{Start: day("2000-01-01T00:00:00Z"), Days: 36_600, Turbines: 100_000}, ""},
		"last day":    {seed.Options{Start: day("2199-12-31T00:00:00Z"), Days: 1, Turbines: 1}, ""},
		"other zone":  {seed.Options{Start: day("2025-01-01T02:00:00+02:00"), Days: 1, Turbines: 1}, ""},
		"no days":     {seed.Options{Start: valid, Days: 0, Turbines: 1}, "days: 0 is not from 1 to 36600"},
		"many days":   {seed.Options{Start: valid, Days: 36_601, Turbines: 1}, "days: 36601 is not from 1 to 36600"},
		"no turbines": {seed.Options{Start: valid, Days: 1, Turbines: -1}, "turbines: -1 is not from 1 to 100000"},
		"many turbines": {
			seed.Options{Start: valid, Days: 1, Turbines: 100_001}, "turbines: 100001 is not from 1 to 100000",
		},
		"early": {
			seed.Options{Start: day("1899-12-31T00:00:00Z"), Days: 1, Turbines: 1},
			"start-date: 1899-12-31 is not from 1900-01-01 to 2199-12-31",
		},
		"late": {
			seed.Options{Start: day("2200-01-01T00:00:00Z"), Days: 1, Turbines: 1},
			"start-date: 2200-01-01 is not from 1900-01-01 to 2199-12-31",
		},
		"ends late": {
			seed.Options{Start: day("2199-12-31T00:00:00Z"), Days: 2, Turbines: 1},
			"days: 2 from 2199-12-31 end after 2199-12-31, the last day allowed",
		},
		"within a day": {
			seed.Options{Start: day("2025-01-01T00:00:00+01:00"), Days: 1, Turbines: 1},
			"start-date: 2025-01-01T00:00:00+01:00 is not the start of a day in UTC",
		},
		"all at once": {
			seed.Options{},
			"start-date: 0001-01-01 is not from 1900-01-01 to 2199-12-31; days: 0 is not from 1 to 36600; " +
				"turbines: 0 is not from 1 to 100000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := tt.opts.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
