package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
)

// A runner holds what every command's function needs.
type runner struct {
	Program

	screen *screen
	log    *slog.Logger // set once the configuration is read
}

// A configuration is a command's struct of package config.
type configuration interface {
	Logger(w io.Writer, terminal bool) *slog.Logger
}

// configure gives cmd a flag for each variable that T reads, and has it call
// run with the configuration that environment, .env and flags make.
func configure[T configuration](r *runner, cmd *cobra.Command, run func(ctx context.Context, c T, args []string) error) *cobra.Command {
	flags := map[string]string{} // flag to variable
	for _, v := range config.Variables[T]() {
		name := strings.ToLower(strings.ReplaceAll(v.Name, "_", "-"))
		flags[name] = v.Name
		cmd.Flags().Var(&textFlag{value: v.Default, kind: v.Kind}, name, v.Help+" [$"+v.Name+"]")
		if choices := v.Choices(); choices != nil {
			complete(cmd, name, choices)
		}
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		vars, err := config.Load(r.Environ, ".")
		if err != nil {
			return &failure{usagef(cmd, "%w", err)}
		}
		for name, variable := range flags {
			if f := cmd.Flags().Lookup(name); f.Changed {
				vars.Set(variable, f.Value.String(), "--"+name)
			}
		}
		c, err := config.Parse[T](vars)
		if err != nil {
			return &failure{usagef(cmd, "%w", err)}
		}
		r.log = c.Logger(r.screen, r.screen.terminal)
		err = run(cmd.Context(), c, args)
		if _, ok := errors.AsType[*config.Error](err); ok {
			err = usagef(cmd, "%w", err)
		}
		if err != nil {
			return &failure{err}
		}
		return nil
	}
	return cmd
}

// print puts a line of a command's result on standard output.
func (r *runner) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(r.Stdout, format+"\n", args...); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// complete offers words for a flag's value.
func complete(cmd *cobra.Command, flag string, words []string) {
	// The error is a flag that does not exist, which the help's golden files show.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// A textFlag is the value of a variable as it was given.
type textFlag struct{ value, kind string }

// String implements pflag.Value.
func (f *textFlag) String() string { return f.value }

// Set implements pflag.Value.
func (f *textFlag) Set(s string) error {
	f.value = s
	return nil
}

// Type implements pflag.Value.
func (f *textFlag) Type() string { return f.kind }
