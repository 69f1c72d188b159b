package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/demo"
	"github.com/delfos/delfos/internal/service"
)

func newDemo(r *runner) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole system on its own databases",
		Long: `Demo starts two PostgreSQL servers (ports 5433 and 5434, data under .delfos/),
applies the schemas, seeds ten days from 2025-01-01, serves the source API (port
8000) and the orchestrator (port 3000), has it load every day, and prints what to
open and try. It stays until Ctrl-C and leaves nothing running. A second demo
continues with the data of the first.

It needs PostgreSQL's server programs, but no server that runs; without them it
fetches them.`,
		Example: `  delfos demo
  delfos demo --once`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the ten days")
	return configure(r, cmd, func(ctx context.Context, c config.Demo, _ []string) error {
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
		return demo.Run(ctx, demo.Config{
			Pair: pair, Listener: ln, Access: c.At(c.APIAddr), Console: console, OpenAPI: r.OpenAPI, Delfos: callable(r.Path), FirstDay: firstSeedDay(), Once: once, Out: r.Stdout, Log: r.log,
			Orchestrator: service.Config{Workers: defaultWorkers(), Schedule: schedule, RunRetention: c.Runs(), JobRetention: c.Jobs(), Access: c.At(c.ConsoleAddr)},
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
