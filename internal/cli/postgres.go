package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/demo"
	"github.com/delfos/delfos/internal/localpg"
)

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
	return configure(r, &cobra.Command{
		Use:   "start",
		Short: "Start both servers in the background",
		Long: `Start starts both servers and returns when they accept connections. They stay until
'delfos postgres stop'. Servers that run already are left as they are.`,
		Example: `  delfos postgres start
  TARGET_DB_URL=postgres://localhost:6543/wind delfos postgres start`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(ctx context.Context, c config.Postgres, _ []string) error {
		pair, err := demo.NewPair(c.SourceDBURL, c.TargetDBURL, demo.Dir, c.PGBin, r.log)
		if err != nil {
			return err
		}
		return r.both(pair, func(name string, cluster demo.Cluster) (string, error) {
			d, err := localpg.StartDetached(ctx, cluster.Server)
			if err != nil {
				return "", fmt.Errorf("%s database: %w", name, err)
			}
			state := "started"
			if d.Already {
				state = "already running"
			}
			return fmt.Sprintf("%s: %s on port %d (process %d), %s", name, state, d.Port, d.PID, config.Redact(cluster.URL(d.Port, d.URL))), nil
		})
	})
}

func newPostgresStop(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:               "stop",
		Short:             "Stop both servers",
		Long:              "Stop stops the servers that 'delfos postgres start' left in the background. Their data stays.",
		Example:           "  delfos postgres stop",
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(ctx context.Context, c config.Postgres, _ []string) error {
		pair, err := demo.NewPair(c.SourceDBURL, c.TargetDBURL, demo.Dir, c.PGBin, r.log)
		if err != nil {
			return err
		}
		return r.both(pair, func(name string, cluster demo.Cluster) (string, error) {
			switch err := localpg.StopDetached(ctx, cluster.Server.Dir); {
			case errors.Is(err, localpg.ErrNotRunning):
				return name + ": not running", nil
			case err != nil:
				return "", fmt.Errorf("%s database: %w", name, err)
			}
			return name + ": stopped", nil
		})
	})
}

// both does the same to both servers at once and prints what came of it, the
// source's first.
func (r *runner) both(pair demo.Pair, do func(name string, c demo.Cluster) (string, error)) error {
	names := []string{"source", "target"}
	said, errs := make([]string, len(names)), make([]error, len(names))
	var work sync.WaitGroup
	for i, cluster := range []demo.Cluster{pair.Source, pair.Target} {
		work.Go(func() { said[i], errs[i] = do(names[i], cluster) })
	}
	work.Wait()
	for i := range names {
		if errs[i] == nil {
			errs[i] = r.print("%s", said[i])
		}
	}
	return errors.Join(errs...)
}
