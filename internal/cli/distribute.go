package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/schema"
)

// maxShards is Citus's own bound.
const maxShards = 64_000

func newSchemaDistribute(r *runner) *cobra.Command {
	var shards int
	var dryRun bool
	names := []string{schema.Target.Name, schema.Source.Name}
	cmd := configure(r, &cobra.Command{
		Use:   "distribute target|source",
		Short: "Spread a database over the nodes of a Citus cluster",
		Long: `Distribute spreads the large tables of a database over the nodes of a Citus cluster, by
turbine; its URL names the coordinator, to which the schema was applied. It prints the SQL
and runs it in one transaction. Rows that are there move. What is distributed already stays
as it is, so a second run does nothing. The ledger and the queue stay on the coordinator.

A database without Citus is refused. docs/citus.md says how to set a cluster up, and what is
weaker there.`,
		Example: `  delfos schema distribute target
  delfos schema distribute target --shards 8 --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			want := "want " + strings.Join(names, " or ")
			if len(args) != 1 {
				return fmt.Errorf("%d arguments: %s", len(args), want)
			}
			if args[0] != names[0] && args[0] != names[1] {
				return fmt.Errorf("DATABASE is %q: %s", args[0], want)
			}
			return nil
		},
		ValidArgsFunction: completing(names...),
	}, func(ctx context.Context, c config.Distribute, args []string) error {
		if shards < 0 || shards > maxShards {
			return fmt.Errorf("--shards is %d: want 1 to %d, or 0 for Citus's own number", shards, maxShards)
		}
		s, url := schema.Target, c.TargetDBURL
		if args[0] == schema.Source.Name {
			s, url = schema.Source, c.SourceDBURL
		}
		plan, err := schema.Distribute(ctx, url, s, shards, dryRun)
		if err != nil {
			return err
		}
		if len(plan.Statements) == 0 {
			r.log.InfoContext(ctx, "distribute: nothing to do", "database", s.Name)
			return nil
		}
		return r.print("-- %s\n%s", s.Name, strings.TrimSuffix(plan.SQL(), "\n"))
	})
	cmd.Flags().IntVar(&shards, "shards", 0, "into how many pieces a table is cut; 0 leaves it to Citus")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the SQL and change nothing")
	return cmd
}
