package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// hostile are the settings that a role or a database may have, and that nothing
// here may depend on. Two count from the first moment of a session, so that they
// leave it the time to be set up.
func hostile() map[string]string {
	return map[string]string{
		"DateStyle":                           "'German'",
		"IntervalStyle":                       "'sql_standard'",
		"TimeZone":                            "'America/Sao_Paulo'",
		"statement_timeout":                   "'5s'",
		"lock_timeout":                        "'1ms'",
		"idle_in_transaction_session_timeout": "'20ms'",
		"idle_session_timeout":                "'5s'",
		"client_encoding":                     "'LATIN1'",
		"default_transaction_isolation":       "'serializable'",
		"default_transaction_deferrable":      "on",
		"bytea_output":                        "'escape'",
		"extra_float_digits":                  "'-15'",
		"standard_conforming_strings":         "off",
		"transform_null_equals":               "on",
	}
}

// A role, or a database, may have any settings, and tables of the same names
// where it looks first: the whole way has them in public, and as they were.
func TestSettingsOfRoleAndDatabase(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"role", "database"} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			sourceURL := s.source.Config().ConnString()
			// The test's own look stays what it is.
			const own = "&search_path=public&DateStyle=ISO&statement_timeout=0&idle_session_timeout=0&idle_in_transaction_session_timeout=0"
			s.source, s.target = pgtest.Pool(t, sourceURL+own), pgtest.Pool(t, s.ownerURL+own)
			sourceURL, targetURL := s.other(t, s.source, of, sourceURL), s.other(t, s.target, of, s.ownerURL)
			s.wholeWay(t, sourceURL, targetURL)
			for _, pool := range []*pgxpool.Pool{s.source, s.target} {
				if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM first.data"); n != 0 {
					t.Errorf("another schema's table has %d rows, want none", n)
				}
			}
		})
	}
}

// A role that may have few sessions has the whole way too: who finds none waits.
func TestFewSessions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	sourceURL := s.source.Config().ConnString()
	urls := []string{sourceURL, s.ownerURL}
	for i, pool := range []*pgxpool.Pool{s.source, s.target} {
		u := must(url.Parse(urls[i]))
		role := "few_" + strings.TrimPrefix(u.Path, "/")
		pgtest.Exec(t, pool, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD 'few' CONNECTION LIMIT 10 IN ROLE %s", role, u.User.Username()))
		t.Cleanup(func() {
			if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP ROLE "+role); err != nil {
				t.Error(err)
			}
		})
		u.User = url.UserPassword(role, "few")
		u.RawQuery += "&pool_max_conn_idle_time=200ms&pool_health_check_period=50ms" // A test has no time.
		urls[i] = u.String()
	}
	s.wholeWay(t, urls[0], urls[1])
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// other is url as another role, which has the hostile settings itself or gets
// them from the database.
func (s *system) other(t *testing.T, pool *pgxpool.Pool, of, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	role := "other_" + database
	pgtest.Exec(t, pool, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD 'ab/cd#e%%f' IN ROLE %s", role, u.User.Username()))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := pool.Exec(ctx, "DROP SCHEMA first CASCADE; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	pgtest.Exec(t, pool, "CREATE SCHEMA first")
	for _, table := range []string{"data", "signal", "turbine", "partition"} {
		if pgtest.Query[bool](t, pool, "SELECT to_regclass($1) IS NOT NULL", "public."+table) {
			pgtest.Exec(t, pool, fmt.Sprintf("CREATE TABLE first.%[1]s (LIKE public.%[1]s INCLUDING ALL)", table))
		}
	}
	pgtest.Exec(t, pool, "GRANT ALL ON SCHEMA first TO "+role)
	whose := "ROLE " + role
	if of == "database" {
		whose = "DATABASE " + database
	}
	pgtest.Exec(t, pool, fmt.Sprintf("ALTER %s SET search_path TO first, public", whose))
	for name, value := range hostile() {
		pgtest.Exec(t, pool, fmt.Sprintf("ALTER %s SET %s TO %s", whose, name, value))
	}
	u.User = url.UserPassword(role, "ab/cd#e%f")
	return u.String()
}

// wholeWay applies schemas, seeds and imports, loads by the command's job and by
// an orchestrator, and compares.
func (s *system) wholeWay(t *testing.T, sourceURL, targetURL string) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	for _, apply := range []struct {
		schema schema.Schema
		url    string
	}{{schema.Source, sourceURL}, {schema.Target, targetURL}} {
		if plan, err := schema.Apply(t.Context(), apply.url, apply.schema, schema.Options{}); err != nil || len(plan.Statements) > 0 {
			t.Fatalf("schema: got %v, %v, want nothing to do", plan, err)
		}
	}
	source, err := pgpool.Open(t.Context(), sourceURL, pgpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := seed.Run(t.Context(), source, seed.Options{Start: date("2025-01-01"), Days: 1, Turbines: 2}); err != nil {
		t.Fatal(err)
	}
	const file = "timestamp,wind_speed,power,ambient_temperature\n2025-01-02 00:00:00,7.25,1e-7,\n2025-01-02 00:01:00,8.1,,-3.5\n"
	importFile(t, source, file)
	s.serve(t, sourceURL, log)
	s.job = s.newJob(t, targetURL)
	if got := s.run(t, 1); got.Done != 1 {
		t.Fatalf("etl: got %+v, want a day done", got)
	}

	today := time.Now().UTC().Truncate(24 * time.Hour)
	o, err := service.Open(t.Context(), service.Config{TargetURL: targetURL, SourceURL: s.apiURL, Config: orchestrator.Config{
		Workers: 2, Log: log, Schedule: orchestrator.ScheduleConfig{Cron: "0 1 * * *", CatchUpDays: 1, PartitionStart: &today},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- o.Run(ctx) }()
	plan, err := o.Control().Start(t.Context(), orchestrator.StartRequest{From: date("2025-01-01"), To: date("2025-01-02")})
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "the run to be done", func() bool {
		run, err := o.Control().Run(t.Context(), plan.RunID)
		if err != nil || run.State == "failed" {
			t.Fatalf("run: got %s, %v, want done", run.State, err)
		}
		return run.State == "done"
	})
	stop()
	if err := <-worked; err != nil {
		t.Errorf("orchestrator: %v", err)
	}

	target, err := pgpool.Open(t.Context(), targetURL, pgpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	report, err := verify.Run(t.Context(), verify.Config{Target: target, SourceURL: s.apiURL, Log: log}, verify.Request{Turbines: selector.All(), Parallel: 1, Limit: 10})
	if err != nil || !report.OK() || report.Days != 2 {
		t.Errorf("verify: got %+v, %v, want two days that are the same", report, err)
	}
	near(t, s.values(t), s.expected(t))
}
