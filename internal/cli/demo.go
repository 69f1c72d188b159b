package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/demo"
)

func newDemo(r *runner) *cobra.Command {
	var once bool
	cmd := configure(r, &cobra.Command{
		Use:   "demo",
		Short: "Run the whole system on its own databases",
		Long: `Demo starts two PostgreSQL servers (ports 5433 and 5434, data under .delfos/),
applies the schemas, seeds ten days from 2025-01-01, serves the source API (port
8000), runs every day through the ETL, and prints what to open and try. It stays
until Ctrl-C and leaves nothing running. A second demo continues with the data of
the first.

It needs PostgreSQL's server programs, but no server that runs; without them it
fetches them.`,
		Example: `  delfos demo
  delfos demo --once`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(ctx context.Context, c config.Demo, _ []string) error {
		pair, err := demo.NewPair(c.SourceDBURL, c.TargetDBURL, demo.Dir, c.PGBin, r.log)
		if err != nil {
			return err
		}
		ln, err := listen(ctx, c.APIAddr)
		if err != nil {
			return err
		}
		return demo.Run(ctx, demo.Config{
			Pair: pair, Listener: ln, OpenAPI: r.OpenAPI, Delfos: callable(r.Path), FirstDay: firstSeedDay(), Once: once, Out: r.Stdout, Log: r.log,
		})
	})
	cmd.Flags().BoolVar(&once, "once", false, "end after the ETL")
	return cmd
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
