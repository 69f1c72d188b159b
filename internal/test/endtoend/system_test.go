package endtoend_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

// system is a whole Delfos: two databases, the API between them behind a
// gateway that can spoil its answers, and the job.
type system struct {
	source, target *pgxpool.Pool
	targetURL      string // as delfos_etl
	ownerURL       string // of the target, as the owner of its tables
	gateway        *gateway
	apiURL         string // of the gateway
	directURL      string // of the API itself
	stopAPI        func()
	job            *etl.Job
}

// always makes days of 2025 late ones, which are checked the most.
const always = 100 * 365 * 24 * time.Hour

// fast retries quickly; a test has no time to be polite.
func fast() extract.Retry {
	return extract.Retry{Attempts: 4, First: time.Millisecond, Longest: 5 * time.Millisecond, Obey: 5 * time.Millisecond}
}

func setup(t *testing.T) *system {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	sourceURL, targetURL := pgtest.Source(t), pgtest.Target(t)
	s := &system{source: pgtest.Pool(t, sourceURL), target: pgtest.Pool(t, targetURL), targetURL: pgtest.As(t, pgtest.ETL, targetURL), ownerURL: targetURL}

	s.serve(t, pgtest.As(t, pgtest.API, sourceURL), log)
	s.job = s.newJob(t, s.targetURL)
	return s
}

// serve starts an API on the source and a gateway before it.
func (s *system) serve(t *testing.T, sourceURL string, log *slog.Logger) {
	t.Helper()
	pool, err := source.OpenPool(t.Context(), sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, source.New(source.Config{Pool: pool, Log: log}), httpserve.Options{Log: log})
	}()
	stopAPI := func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		served <- nil
	}
	s.stopAPI = stopAPI
	t.Cleanup(stopAPI)

	s.directURL = "http://" + ln.Addr().String()
	s.gateway = newGateway(t, s.directURL)
	front := httptest.NewUnstartedServer(s.gateway)
	front.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	front.Start()
	t.Cleanup(front.Close)
	s.apiURL = front.URL
}

// newJob is a job with sessions of its own, as another process has.
func (s *system) newJob(t *testing.T, targetURL string) *etl.Job {
	t.Helper()
	return s.leasedJob(t, targetURL, ledger.DefaultLease)
}

func (s *system) leasedJob(t *testing.T, targetURL string, lease time.Duration) *etl.Job {
	t.Helper()
	pool, err := etl.OpenTarget(t.Context(), targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	job, err := etl.New(t.Context(), etl.Config{
		Target: pool, SourceURL: s.apiURL, Retry: fast(), Lease: lease, Group: 2, Late: always, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(job.Close)
	return job
}

func (s *system) seed(t *testing.T, days, turbines int) {
	t.Helper()
	if _, err := seed.Run(t.Context(), s.source, seed.Options{Start: date("2025-01-01"), Days: days, Turbines: turbines}); err != nil {
		t.Fatal(err)
	}
}

// hours fills days with a sample an hour, for tests to which whole days show no more.
func (s *system) hours(t *testing.T, days, turbines int) {
	t.Helper()
	pgtest.Exec(t, s.source, "INSERT INTO turbine (id, name) SELECT n, 'Turbine ' || n FROM generate_series(1, $1::integer) AS n ON CONFLICT DO NOTHING", turbines)
	pgtest.Exec(t, s.source, `INSERT INTO data SELECT id, '2025-01-01Z'::timestamptz + n * interval '1 h', n % 23, 2 * (n % 23) + id, n % 19
		FROM generate_series(1, $2::integer) AS id, generate_series(0, 24 * $1::integer - 1) AS n`, days, turbines)
}

// hourly is how many values a turbine has of a day of hours: it has no deviations.
const hourly = 24 * 3 * 4

// run runs the days from 2025-01-01 on and fails the test when they fail.
func (s *system) run(t *testing.T, days int) etl.Summary {
	t.Helper()
	summary, err := s.job.Run(t.Context(), request(days))
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return summary
}

func request(days int) etl.Request {
	return etl.Request{From: date("2025-01-01"), To: date("2025-01-01").AddDate(0, 0, days-1), Turbines: selector.All()}
}

func date(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

// key names a value of the target.
type key struct {
	turbine int32
	at      time.Time
	signal  string
}

func (s *system) values(t *testing.T) map[key]float64 {
	t.Helper()
	return collect(t, s.target, "SELECT d.turbine_id, d.timestamp, s.name, d.value FROM data d JOIN signal s ON s.id = d.signal_id")
}

func collect(t *testing.T, pool *pgxpool.Pool, sql string) map[key]float64 {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	values := map[key]float64{}
	for rows.Next() {
		var k key
		var v float64
		if err := rows.Scan(&k.turbine, &k.at, &k.signal, &v); err != nil {
			t.Fatal(err)
		}
		values[k] = v
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// expected computes the target's content in the source database: a second
// way, by PostgreSQL's own aggregates.
func (s *system) expected(t *testing.T) map[key]float64 {
	t.Helper()
	return collect(t, s.source, `
		SELECT turbine_id, w, name || '_' || stat, value
		FROM (
			SELECT turbine_id, date_bin('10 min', timestamp, 'epoch') AS w,
				avg(wind_speed) AS w1, min(wind_speed) AS w2, max(wind_speed) AS w3, stddev_samp(wind_speed) AS w4, count(wind_speed) AS w5,
				avg(power) AS p1, min(power) AS p2, max(power) AS p3, stddev_samp(power) AS p4, count(power) AS p5,
				avg(ambient_temperature) AS t1, min(ambient_temperature) AS t2, max(ambient_temperature) AS t3,
				stddev_samp(ambient_temperature) AS t4, count(ambient_temperature) AS t5
			FROM data
			GROUP BY 1, 2
		) AS s
		CROSS JOIN LATERAL (VALUES ('wind_speed', w1, w2, w3, w4, w5), ('power', p1, p2, p3, p4, p5), ('ambient_temperature', t1, t2, t3, t4, t5)) AS v (name, mean, min, max, std, count)
		CROSS JOIN LATERAL (VALUES ('mean', mean), ('min', min), ('max', max), ('std', std), ('count', nullif(count, 0))) AS u (stat, value)
		WHERE value IS NOT NULL`)
}

// same fails the test unless both hold the same keys, and values within a
// relative tolerance.
func same(t *testing.T, got, want map[key]float64, tolerance float64) {
	t.Helper()
	differ(t, got, want, func(g, w float64) bool { return math.Abs(g-w) <= tolerance*math.Abs(w) })
}

// near is same for what PostgreSQL computed: its mean loses digits where
// readings cancel.
func near(t *testing.T, got, want map[key]float64) {
	t.Helper()
	differ(t, got, want, func(g, w float64) bool { return math.Abs(g-w) <= 1e-10*math.Max(1, math.Abs(w)) })
}

func differ(t *testing.T, got, want map[key]float64, equal func(got, want float64) bool) {
	t.Helper()
	faults := 0
	fault := func(format string, args ...any) {
		if faults++; faults <= 5 {
			t.Errorf(format, args...)
		}
	}
	for k, w := range want {
		g, ok := got[k]
		switch {
		case !ok:
			fault("%v: missing, want %v", k, w)
		case !equal(g, w):
			fault("%v: got %v, want %v", k, g, w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			fault("%v: got %v, want none", k, g)
		}
	}
	if faults > 5 {
		t.Errorf("and %d more differences", faults-5)
	}
}

// testdata opens a gzipped file of the repository's testdata.
func testdata(t *testing.T, name string) io.ReadCloser {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}
}

func (s *system) importReference(t *testing.T) {
	t.Helper()
	_, err := sampleimport.Run(t.Context(), s.source, []sampleimport.File{{
		Name: "samples.csv.gz", Open: func() (io.ReadCloser, error) { return testdata(t, "samples.csv.gz"), nil },
	}}, sampleimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
}

// referenceWindows are what pandas makes of the reference sample.
func referenceWindows(t *testing.T) map[key]float64 {
	t.Helper()
	f := testdata(t, "windows.csv.gz")
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	values := map[key]float64{}
	for _, record := range records[1:] {
		at, err := time.Parse(time.RFC3339, record[0])
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(record[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		values[key{1, at.UTC(), record[1]}] = v
	}
	return values
}
