package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A Version says which build this is. Empty fields are taken from what the Go
// toolchain recorded in the binary.
type Version struct{ Number, Commit string }

func (v Version) String() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Number == "" && info.Main.Version != "" {
			v.Number = info.Main.Version
		}
		for _, s := range info.Settings {
			if v.Commit == "" && s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	if v.Number == "" {
		v.Number = "(devel)"
	}
	if v.Commit == "" {
		v.Commit = "unknown"
	}
	return fmt.Sprintf("delfos %s, commit %s, %s %s/%s", v.Number, v.Commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newRoot(r *runner) *cobra.Command {
	root := &cobra.Command{
		Use:   "delfos",
		Short: "Ten-minute statistics of wind turbines, from one-minute readings",
		Long: `Delfos keeps the one-minute readings of a wind farm in a source database, serves
them over an HTTP API, and turns them into ten-minute statistics in a target
database.

Configuration comes from the environment, then from a file .env in the working
directory; a flag overrides both. Each command's help lists what it reads.

Exit codes: 0 done, 1 failed, 2 used wrongly.`,
		Example: `  delfos demo                            the whole system, on its own databases
  delfos etl 2025-01-01 --to 2025-01-10  ten days through the ETL`,
		Version:           r.Version.String(),
		Args:              subcommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	root.SetIn(r.Stdin)
	root.SetOut(r.Stdout)
	root.SetErr(r.Stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "To see it work:"},
		&cobra.Group{ID: "data", Title: "To get data in:"},
		&cobra.Group{ID: "run", Title: "To run the system:"},
	)
	for _, c := range []struct {
		group   string
		command *cobra.Command
	}{
		{"start", newDemo(r)},
		{"start", newPostgres(r)},
		{"data", newSchema(r)},
		{"data", newSeed(r)},
		{"data", newImport(r)},
		{"run", newServe(r)},
		{"run", newETL(r)},
		{"run", newOrchestrate(r)},
		{"run", newRuns(r)},
		{"run", newPartitions(r)},
		{"run", newVerify(r)},
		{"run", newHealthcheck(r)},
	} {
		c.command.GroupID = c.group
		root.AddCommand(c.command)
	}
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Example = "  source <(delfos completion bash)\n  delfos completion zsh > \"${fpath[1]}/_delfos\""
			group(c)
		}
	}
	return root
}

// newHelp replaces cobra's, which exits 0 on a command that does not exist.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Long:  "Help prints what --help prints.",
		RunE: func(_ *cobra.Command, args []string) error {
			target, left, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(left) > 0 {
				return subcommand(target, left)
			}
			return target.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			target, left, err := root.Find(args)
			if err != nil || len(left) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, c := range target.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
