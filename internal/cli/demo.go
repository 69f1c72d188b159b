package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/demo"
	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/server/auth"
)

func newDemo(r *runner) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole system on its own databases",
		Long: `Demo starts two PostgreSQL servers (ports 5433 and 5434, data under .delfos/),
applies the schemas, seeds ten days from 2025-01-01 of four turbines, serves the source
API (port 8000) and the orchestrator (port 3000), has it load every day, and prints what
to open and try. One turbine is derated, one has a frozen anemometer for half a day, one
has gaps; then an hour of samples is corrected, so that one day is stale. It stays until
Ctrl-C and leaves nothing running. A second demo continues with the data of the first.

It needs PostgreSQL's server programs, but no server that runs; without them it
fetches them.`,
		Example: `  delfos demo
  delfos demo --once`,
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the ten days")
	insecure := insecureFlag(cmd)
	return configure(r, cmd, func(ctx context.Context, c config.Demo, _ []string) error {
		for variable, addr := range map[string]string{"API_ADDR": c.APIAddr, "CONSOLE_ADDR": c.ConsoleAddr} {
			if err := (*auth.Gate)(nil).Check(variable, addr, *insecure); err != nil {
				return usagef(cmd, "%w", err)
			}
		}
		pair, err := demo.NewPair(c.SourceDBURL, c.TargetDBURL, demo.Dir, c.PGBin, r.log)
		if err != nil {
			return err
		}
		schedule, err := scheduleOf(c.Schedule, c.SourceRetention)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		ln, err := listen(ctx, "API_ADDR", c.APIAddr)
		if err != nil {
			return err
		}
		console, err := listen(ctx, "CONSOLE_ADDR", c.ConsoleAddr)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		registry, err := r.metrics(ctx, c.Metrics)
		if err != nil {
			return errors.Join(err, ln.Close(), console.Close())
		}
		defer registry.stop()
		return demo.Run(ctx, demo.Config{
			Metrics: registry,
			Pair:    pair, Listener: ln, Access: c.At(c.APIAddr), Console: console, OpenAPI: r.OpenAPI,
			Delfos: callable(r.Path), FirstDay: firstSeedDay(), Once: once, Out: r.Stdout, Log: r.log, Level: r.level,
			Orchestrator: service.Config{
				Config: orchestrator.Config{Workers: defaultWorkers(), Schedule: schedule, RunRetention: c.RunRetention, JobRetention: c.JobRetention, Notify: orchestrator.NotifyConfig{Receiver: c.Receiver()}},
				Access: c.At(c.ConsoleAddr),
			},
		})
	})
}

// callable is how any shell calls the program that was called as path.
func callable(path string) string {
	if filepath.Base(path) == path {
		return path // found in PATH
	}
	if exe, err := os.Executable(); err == nil {
		return exe
	}
	return path
}

func newPostgres(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "postgres",
		Short: "Run the embedded pair of PostgreSQL servers alone, for development",
		Long: `Postgres starts and stops the servers of the demo without the rest of it: the source
on port 5433, the target on port 5434, data under .delfos/. Ports, users, passwords
and database names are those of SOURCE_DB_URL and TARGET_DB_URL.`,
		Example: `  delfos postgres start
  delfos postgres stop`,
	}, newPostgresStart(r), newPostgresStop(r))
}

func newPostgresStart(r *runner) *cobra.Command {
	return forBoth(r, &cobra.Command{
		Use:   "start",
		Short: "Start both servers in the background",
		Long: `Start starts both servers and returns when they accept connections. They stay until
'delfos postgres stop'. Servers that run already are left as they are.`,
		Example: `  delfos postgres start
  TARGET_DB_URL=postgres://localhost:6543/wind delfos postgres start`,
	}, func(ctx context.Context, cluster demo.Cluster) (string, error) {
		d, err := localpg.StartDetached(ctx, cluster.Server)
		if err != nil {
			return "", err
		}
		state := "started"
		if d.Already {
			state = "already running"
		}
		return fmt.Sprintf("%s on port %d (process %d), %s", state, d.Port, d.PID, config.Redact(cluster.URL(d.Port, d.URL))), nil
	})
}

func newPostgresStop(r *runner) *cobra.Command {
	return forBoth(r, &cobra.Command{
		Use:     "stop",
		Short:   "Stop both servers",
		Long:    "Stop stops the servers that 'delfos postgres start' left in the background. Their data stays.",
		Example: "  delfos postgres stop",
	}, func(ctx context.Context, cluster demo.Cluster) (string, error) {
		err := localpg.StopDetached(ctx, cluster.Server.Dir)
		if errors.Is(err, localpg.ErrNotRunning) {
			return "not running", nil
		}
		return "stopped", err
	})
}

// forBoth makes cmd call do for both servers at once and print what it returns.
func forBoth(r *runner, cmd *cobra.Command, do func(ctx context.Context, c demo.Cluster) (string, error)) *cobra.Command {
	return configure(r, cmd, func(ctx context.Context, c config.Postgres, _ []string) error {
		pair, err := demo.NewPair(c.SourceDBURL, c.TargetDBURL, demo.Dir, c.PGBin, r.log)
		if err != nil {
			return err
		}
		var results [2]string
		var errs [2]error
		var work sync.WaitGroup
		for i, cluster := range []demo.Cluster{pair.Source, pair.Target} {
			work.Go(func() { results[i], errs[i] = do(ctx, cluster) })
		}
		work.Wait()
		for i, name := range []string{"source", "target"} {
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s database: %w", name, errs[i])
			} else {
				errs[i] = r.print("%s: %s", name, results[i])
			}
		}
		return errors.Join(errs[:]...)
	})
}
