package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A failure is what a command's own function returned.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// A usageError says that the command line or the configuration is at fault.
type usageError struct {
	command string
	err     error
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

func (e *usageError) Error() string { return e.err.Error() + e.hint() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) hint() string  { return fmt.Sprintf(" (see '%s --help')", e.command) }

// exactly takes one argument a name, which the messages use.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("argument %s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// oneOrMore takes any number of arguments but none.
func oneOrMore(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("argument %s is missing", name)
		}
		return nil
	}
}

// oneOrMoreOf takes any of the allowed arguments, at least one.
func oneOrMoreOf(name string, allowed ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("argument %s is missing: want one or several of %s", name, strings.Join(allowed, ", "))
		}
		for _, arg := range args {
			if !slices.Contains(allowed, arg) {
				return fmt.Errorf("%s is %q: want one or several of %s", name, arg, strings.Join(allowed, ", "))
			}
		}
		return nil
	}
}

// completing offers the allowed arguments that are not there yet.
func completing(allowed ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		left := slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return slices.Contains(args, a) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
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
