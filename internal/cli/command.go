package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/tracing"
)

type runner struct {
	Program

	screen *screen
	log    *slog.Logger // set once the configuration is read, and its level
	level  *slog.LevelVar
}

// A configuration is a command's struct of package config.
type configuration interface {
	Logger(w io.Writer, terminal bool) (*slog.Logger, *slog.LevelVar)
}

// configure gives cmd a flag for each variable that T reads, and has it call
// run with the configuration that environment, .env and flags make. A command
// takes no arguments and completes none unless it says otherwise.
func configure[T configuration](r *runner, cmd *cobra.Command, run func(ctx context.Context, c T, args []string) error) *cobra.Command {
	if cmd.Args == nil {
		cmd.Args = exactly()
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	flags := map[string]string{} // flag to variable
	for _, v := range config.Variables[T]() {
		if v.Secret {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(v.Name, "_", "-"))
		flags[name] = v.Name
		cmd.Flags().Var(&flagValue{text: v.Default, kind: v.Kind}, name, v.Help+" [$"+v.Name+"]")
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
		r.log, r.level = c.Logger(r.screen, r.screen.terminal)
		err = r.traced(cmd, func(ctx context.Context) error { return run(ctx, c, args) })
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

// traced runs a command with traces, if they are on. A command that serves until it is
// stopped has no span of its own: what a server does are traces of their own.
func (r *runner) traced(cmd *cobra.Command, run func(context.Context) error) error {
	stop, err := tracing.Start(cmd.Context(), r.Version.Number, r.log)
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	defer stop()
	r.log = slog.New(tracing.LogHandler(r.log.Handler()))
	if !tracing.On() || slices.Contains([]string{"serve", "orchestrate", "demo"}, cmd.Name()) {
		return run(cmd.Context())
	}
	ctx, end := tracing.Span(cmd.Context(), cmd.CommandPath())
	err = run(ctx)
	end(err)
	return err
}

func (r *runner) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(r.Stdout, format+"\n", args...); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// printJSON prints a result on one line; a json.RawMessage is an answer as it came.
func (r *runner) printJSON(result any) error {
	encoder := json.NewEncoder(r.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// printTable prints what fill writes, in columns that tabs separate.
func (r *runner) printTable(fill func(w io.Writer)) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(w)
	_ = w.Flush() // to memory
	return r.print("%s", strings.TrimSuffix(b.String(), "\n"))
}

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

// parsed takes one argument, which it leaves in value as parse reads it.
func parsed[T any](name string, value *T, parse func(string) (T, error)) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) (err error) {
		if err := exactly(name)(cmd, args); err != nil {
			return err
		}
		if *value, err = parse(args[0]); err != nil {
			return fmt.Errorf("%s is %q: %w", name, args[0], err)
		}
		return nil
	}
}

func complete(cmd *cobra.Command, flag string, words []string) {
	// The error is a flag that does not exist, which the help's golden files show.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completing offers the allowed arguments that are not there yet.
func completing(allowed ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		left := slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return slices.Contains(args, a) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

// A flagValue is the value of a flag: text that set takes, unless it is nil.
type flagValue struct {
	text, kind string
	set        func(text string) error
}

// String implements pflag.Value.
func (f *flagValue) String() string { return f.text }

// Set implements pflag.Value.
func (f *flagValue) Set(text string) error {
	if f.set != nil {
		if err := f.set(text); err != nil {
			return err
		}
	}
	f.text = text
	return nil
}

// Type implements pflag.Value.
func (f *flagValue) Type() string { return f.kind }

// dayFlag adds a flag that is a day in UTC, nil while none is given.
func dayFlag(cmd *cobra.Command, day **time.Time, name, help string) {
	f := flagValue{kind: "DATE", set: func(text string) (err error) {
		*day, err = parseDay(text)
		return err
	}}
	if *day != nil {
		f.text = (*day).Format(time.DateOnly)
	}
	cmd.Flags().Var(&f, name, help)
}

func parseDay(s string) (*time.Time, error) {
	day, err := time.Parse(time.DateOnly, s)
	if err != nil || day.Year() < 1 {
		return nil, errors.New("want a day such as 2025-01-31")
	}
	return &day, nil
}

// maxDays is how many days one command may be about, as over HTTP.
const maxDays = 20_000

// checkRange refuses a last day, --to, that is before the first or too far behind it, if there are
// both.
func checkRange(cmd *cobra.Command, first string, from, to *time.Time) error {
	if from == nil || to == nil {
		return nil
	}
	if to.Before(*from) {
		return usagef(cmd, "--to is %q: want a day not before %s, %s", to.Format(time.DateOnly), first, from.Format(time.DateOnly))
	}
	if most := dates.Add(*from, maxDays-1); to.After(most) {
		return usagef(cmd, "--to is %q: want at most %d days, here up to %s", to.Format(time.DateOnly), maxDays, most.Format(time.DateOnly))
	}
	return nil
}

// allowDates adds the flag without which checkDays refuses days that are hard to believe.
func allowDates(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("allow-dates", false, "take days before 1980-01-01 or after tomorrow (UTC) too")
}

// checkDays refuses what checkRange does and, unless allowed, days that are hard to believe.
func checkDays(cmd *cobra.Command, first string, from, to *time.Time, allowed bool) error {
	believable := func(what string, day *time.Time) error {
		now := time.Now()
		if day == nil || allowed || dates.Believable(*day, now) {
			return nil
		}
		return usagef(cmd, "%s is %q: want a day %s, or --allow-dates", what, day.Format(time.DateOnly), dates.Believed(now))
	}
	return cmp.Or(errors.Join(believable(first, from), believable("--to", to)), checkRange(cmd, first, from, to))
}

// countFlag adds a flag that is a whole number from 1 to most.
func countFlag(cmd *cobra.Command, n *int, most int, name, help string) {
	cmd.Flags().Var(&flagValue{text: strconv.Itoa(*n), kind: "N", set: func(text string) error {
		given, err := strconv.Atoi(text)
		if err != nil || given < 1 || given > most {
			return fmt.Errorf("want a whole number from 1 to %d", most)
		}
		*n = given
		return nil
	}}, name, help)
}

func checkCount(cmd *cobra.Command, flag string, n, least, most int) error {
	if n < least || n > most {
		return usagef(cmd, "--%s is %d: want %d to %d", flag, n, least, most)
	}
	return nil
}

// choiceFlag adds a flag that is one of a few words; choice holds the default.
func choiceFlag(cmd *cobra.Command, choice *string, name, help string, allowed ...string) {
	cmd.Flags().Var(&flagValue{text: *choice, kind: strings.Join(allowed, "|"), set: func(text string) error {
		if !slices.Contains(allowed, text) {
			return fmt.Errorf("want %s", strings.Join(allowed, " or "))
		}
		*choice = text
		return nil
	}}, name, help)
	complete(cmd, name, allowed)
}

// outputFlag adds --output, which is asJSON or text.
func outputFlag(cmd *cobra.Command, help string) *string {
	output := "text"
	choiceFlag(cmd, &output, "output", help, output, asJSON)
	return &output
}

const asJSON = "json"

func turbinesFlag(cmd *cobra.Command, turbines *selector.Set) {
	*turbines = selector.All()
	cmd.Flags().Var(&flagValue{text: turbines.String(), kind: "LIST", set: func(text string) (err error) {
		*turbines, err = selector.Parse(text)
		return err
	}}, "turbines", "ids and ranges of ids, or all")
}
