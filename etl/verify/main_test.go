package verify_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// system is a source behind its API, and a target.
type system struct {
	source, target *pgxpool.Pool
	owner          *pgxpool.Pool // of the target's tables
	url            string
	log            *slog.Logger
}

func setup(t *testing.T) *system {
	t.Helper()
	s := &system{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	sourceURL := pgtest.Source(t)
	s.source = pgtest.Pool(t, sourceURL)
	pool, err := source.OpenPool(t.Context(), pgtest.As(t, pgtest.API, sourceURL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	api := httptest.NewServer(source.New(source.Config{Pool: pool, Log: s.log}))
	t.Cleanup(api.Close)
	s.url = api.URL
	targetURL := pgtest.Target(t)
	s.owner = pgtest.Pool(t, targetURL)
	if s.target, err = etl.OpenTarget(t.Context(), pgtest.As(t, pgtest.ETL, targetURL)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.target.Close)
	return s
}

// seed writes three turbines' samples from 2025-01-01 on.
func (s *system) seed(t *testing.T, days int) {
	t.Helper()
	if _, err := seed.Run(t.Context(), s.source, seed.Options{Start: date(t, "2025-01-01"), Days: days, Turbines: 3}); err != nil {
		t.Fatal(err)
	}
}

// seedHours writes three turbines' samples from 2025-01-01 on, of three hours of each day:
// the first, the one at noon and the last. They become 270 values a turbine.
func (s *system) seedHours(t *testing.T, days int) {
	t.Helper()
	pgtest.Exec(t, s.source, "INSERT INTO turbine (id, name) VALUES (2, 'Turbine 2'), (3, 'Turbine 3')")
	pgtest.Exec(t, s.source, `INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
		SELECT turbine, at, turbine + extract(epoch FROM at)::bigint / 60 % 97 / 32.0, 600 + extract(epoch FROM at)::bigint / 60 % 89, 20
		FROM generate_series(1, 3) AS turbine, generate_series('2025-01-01Z'::timestamptz, '2025-01-01Z'::timestamptz + make_interval(days => $1, mins => -1), '1 minute') AS at
		WHERE extract(hour FROM at AT TIME ZONE 'UTC') IN (0, 12, 23)`, days)
}

func (s *system) load(t *testing.T, from, to string) {
	t.Helper()
	job, err := etl.New(t.Context(), etl.Config{Target: s.target, SourceURL: s.url, Log: s.log})
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	if _, err := job.Run(t.Context(), etl.Request{
		From: date(t, from), To: date(t, to), Turbines: selector.All(), AllowEmpty: true, Parallel: 2,
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *system) verify(t *testing.T, r verify.Request) verify.Report {
	t.Helper()
	if r.Turbines.String() == "" {
		r.Turbines = selector.All()
	}
	report, err := verify.Run(t.Context(), verify.Config{Target: s.target, SourceURL: s.url, Log: s.log}, r)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func date(t *testing.T, s string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

func turbines(t *testing.T, s string) selector.Set {
	t.Helper()
	set, err := selector.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
