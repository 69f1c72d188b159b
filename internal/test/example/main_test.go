package example_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// system is what an example finds: where it answers, its databases, and a token to read.
type system struct{ sourceURL, targetURL, sourceDB, targetDB, token string }

// start starts both servers over the days from 2025-01-01 on of two turbines, whose
// samples spoil may change before they are loaded.
func start(t *testing.T, days int, spoil ...func(source *pgxpool.Pool)) system {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	spec, err := os.ReadFile("../../../openapi.yaml")
	must(t, err)
	s := system{sourceDB: pgtest.Source(t), targetDB: pgtest.Target(t)}
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	pool := pgtest.Pool(t, s.sourceDB)
	_, err = seed.Run(ctx, pool, seed.Options{Start: first, Days: days, Turbines: 2})
	must(t, err)
	for _, change := range spoil {
		change(pool)
	}

	tokens := filepath.Join(t.TempDir(), "tokens")
	s.token, err = auth.Create(ctx, tokens, auth.Token{Name: "example", Scope: "read"})
	must(t, err)
	gate, err := auth.Open(auth.Config{TokensFile: tokens})
	must(t, err)
	serve := func(run func(net.Listener) error) string {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		must(t, err)
		served := make(chan error, 1)
		go func() { served <- run(ln) }()
		t.Cleanup(func() {
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		return "http://" + ln.Addr().String()
	}
	reads, err := source.OpenPool(ctx, s.sourceDB)
	must(t, err)
	t.Cleanup(reads.Close)
	s.sourceURL = serve(func(ln net.Listener) error {
		return httpserve.Serve(ctx, ln, source.New(source.Config{Pool: reads, Log: log, OpenAPI: spec, Gate: gate}), httpserve.Options{Log: log})
	})

	loads, err := etl.OpenTarget(ctx, s.targetDB)
	must(t, err)
	defer loads.Close()
	job, err := etl.New(ctx, etl.Config{Target: loads, SourceURL: s.sourceURL, SourceToken: apiclient.Token{Value: s.token}, Log: log})
	must(t, err)
	defer job.Close()
	_, err = job.Run(ctx, etl.Request{From: first, To: first.AddDate(0, 0, days-1), Turbines: selector.All(), Parallel: 2})
	must(t, err)

	s.targetURL = serve(func(ln net.Listener) error {
		o, err := service.Open(ctx, service.Config{
			Config:    orchestrator.Config{Workers: 1, Log: log, Schedule: orchestrator.ScheduleConfig{CatchUpDays: 7, StaleDays: 30}},
			TargetURL: s.targetDB, SourceURL: s.sourceURL, SourceToken: apiclient.Token{Value: s.token}, Listener: ln, OpenAPI: spec, Gate: gate,
		})
		if err != nil {
			return err
		}
		defer o.Close()
		return o.Run(ctx)
	})
	return s
}

// env is how an example is told where it finds what it reads.
func (s system) env() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "SOURCE_API_URL="+s.sourceURL, "TARGET_API_URL="+s.targetURL, "TARGET_DB_URL="+s.targetDB,
		"SOURCE_API_TOKEN="+s.token, "TARGET_API_TOKEN="+s.token)
}

// run runs a program in a folder, and returns what it printed on standard output.
func run(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
