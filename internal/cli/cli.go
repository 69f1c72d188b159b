// Package cli is the command line of Delfos: it reads arguments and
// configuration, wires the packages that do the work, and turns what they
// return into output and an exit code. It computes nothing itself.
//
// Results go to standard output; the log, errors and progress bars go to
// standard error. Exit codes: 0 done, 1 failed, 2 used wrongly.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/delfos/delfos/internal/config"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A Program is what the commands get from the process that runs them.
type Program struct {
	Path    string   // how this program was called, as in os.Args[0]
	Args    []string // without the program's name
	Environ []string // NAME=value, as os.Environ gives them
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Version Version
	OpenAPI []byte // the HTTP contract, openapi.yaml
}

// Main runs the command that p.Args names and returns the exit code. SIGINT, SIGTERM and SIGHUP cancel
// it; a second one ends the process at once, or first the delay of a server.
func Main(ctx context.Context, p Program) int {
	ctx, stop := signal.NotifyContext(ctx, endings()...)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	// Writing to a pipe that nobody reads any more is an error like any other: there may be servers to
	// stop.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)

	root := newRoot(&runner{Program: p, screen: newScreen(p.Stderr)}) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(p.Args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	// What did not come out of a command's own function came from reading the command line.
	if _, ran := errors.AsType[*failure](err); !ran {
		err = usagef(cmd, "%w", err)
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = &failure{fmt.Errorf("stopped: %w", cause)} // how each part put it says no more
	}
	for _, line := range lines(err) {
		fmt.Fprintln(p.Stderr, "delfos:", line)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func endings() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} }

// sentence is an error as a JSON result has it, "" for none.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(lines(err), "; ")
}

// lines are what is printed of an error: one each fault, and each part of a joined error.
func lines(err error) []string {
	if f, ok := errors.AsType[*failure](err); ok {
		return lines(f.err)
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return strings.Split(err.Error(), "\n")
	}
	if parts, ok := err.(interface{ Unwrap() []error }); ok {
		var texts, out []string
		for _, part := range parts.Unwrap() {
			texts = append(texts, part.Error())
			out = append(out, lines(part)...)
		}
		// Only errors.Join puts a newline between the parts, and nothing else.
		if strings.Join(texts, "\n") == err.Error() {
			return out
		}
	}
	fields := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return []string{strings.Join(fields, "; ")}
}

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

func (e *usageError) Error() string { return fmt.Sprintf("%v (see '%s --help')", e.err, e.command) }
func (e *usageError) Unwrap() error { return e.err }

// A Version says which build this is. What is empty is taken from the binary's build information.
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

// help prints the help of a command; cobra's own exits 0 on a command that does not exist.
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

// subcommand refuses what names none of cmd's commands, and proposes those that look alike.
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

const barDelay = time.Second

// A screen is standard error, where log lines and one progress bar meet: a line takes the bar's place,
// and the bar comes back below it. Off a terminal there is no bar.
type screen struct {
	terminal bool

	mu  sync.Mutex
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Write prints p, in place of the bar if there is one.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	return s.w.Write(p)
}

// progress follows work; what it counts is "bytes" or a plural such as "days". update is told how much
// is done, and of how much if that is known (else 0); the bar appears after a second, and end takes it
// away. Both may be called at any time.
func (s *screen) progress(title, unit string) (update func(done, total int64), end func()) {
	if !s.terminal {
		return func(int64, int64) {}, func() {}
	}
	begin, over := time.Now(), false
	update = func(done, total int64) {
		if time.Since(begin) < barDelay {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if over {
			return
		}
		if s.bar == nil {
			s.bar = newBar(s.w, title, unit, total)
		}
		// The work goes on when the bar can't be drawn.
		_ = s.bar.Set64(done)
	}
	end = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
		if s.bar != nil {
			_ = s.bar.Clear()
			_ = s.bar.Exit()
			s.bar = nil
		}
	}
	return update, end
}

func newBar(w io.Writer, title, unit string, total int64) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(title),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(65 * time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionSetSpinnerChangeInterval(0),
	}
	if unit == "bytes" {
		options = append(options, progressbar.OptionShowBytes(true))
	} else {
		options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	}
	return progressbar.NewOptions64(total, options...)
}
