package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// A Version says which build this is. What is empty is taken from what the Go
// toolchain recorded in the binary.
type Version struct{ Number, Commit string }

func (v Version) String() string {
	info, _ := debug.ReadBuildInfo() // nil: nothing is recorded
	return fmt.Sprintf("delfos %s, %s %s/%s", v.with(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// with is the number and the commit, such as "v1.0.0, commit 0123abc".
func (v Version) with(info *debug.BuildInfo) string {
	changed := ""
	if info != nil {
		v.Number = cmp.Or(v.Number, info.Main.Version)
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && v.Commit == "":
				v.Commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true" && !strings.HasSuffix(v.Number, "dirty"):
				changed = ", changed since"
			}
		}
	}
	v.Number = cmp.Or(v.Number, "(devel)")
	if v.Commit == "" {
		return v.Number // of `go install`: a release, or a number that ends with its commit
	}
	return v.Number + ", commit " + v.Commit + changed
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
	section := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	section("start", "To see it work:", newDemo(r), newPostgres(r))
	section("data", "To get data in:", newSchema(r), newSeed(r), newImport(r), newTurbine(r))
	section("run", "To run the system:", newServe(r), newETL(r), newOrchestrate(r), newRuns(r), newPartitions(r), newStats(r), newSchedule(r), newVerify(r), newPrune(r), newToken(r), newHealthcheck(r))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.RunE = help
		case "completion":
			c.Example = "  source <(delfos completion bash)\n  delfos completion zsh > \"${fpath[1]}/_delfos\""
			group(c)
		}
	}
	return root
}

// help prints the help of a command; cobra's own exits 0 on a command that does
// not exist.
func help(cmd *cobra.Command, args []string) error {
	target, left, err := cmd.Root().Find(args)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return subcommand(target, left)
	}
	return target.Help()
}

// group is a command that only holds others.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	cmd.Args = subcommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return &failure{usagef(cmd, "a command is missing: want %s", strings.Join(names, " or "))}
	}
	return cmd
}

// subcommand refuses what names none of cmd's commands, and proposes the ones
// that look alike.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if alike := cmd.SuggestionsFor(args[0]); len(alike) > 0 {
		return fmt.Errorf("unknown command %q for %q: did you mean %s?", args[0], cmd.CommandPath(), strings.Join(alike, " or "))
	}
	return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
}
