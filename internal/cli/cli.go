// Package cli is the command line of Delfos: it reads arguments and
// configuration, wires the packages that do the work, and turns what they
// return into output and an exit code. It computes nothing itself.
//
// Results go to standard output; the log, errors and progress bars go to
// standard error. Exit codes: 0 done, 1 failed, 2 used wrongly.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
)

// The exit codes.
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

// Main runs the command that p.Args names and returns the exit code. SIGINT,
// SIGTERM and SIGHUP cancel it, so that it ends in good order; a second one
// ends the process at once, or first the delay that a server was told to keep.
func Main(ctx context.Context, p Program) int {
	ctx, stop := signal.NotifyContext(ctx, endings()...)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	// Writing to a pipe that nobody reads any more is an error like any other,
	// not the process's end: there may be servers to stop.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)

	root := newRoot(&runner{Program: p, screen: newScreen(p.Stderr)}) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(p.Args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	// What did not come out of a command's own function came from reading the
	// command line.
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

// endings are the signals that tell the program to end.
func endings() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} }

// sentence is an error as a JSON result has it, "" for none.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(lines(err), "; ")
}

// lines are what is printed of an error: one line each fault of a configuration
// and each part of a joined error.
func lines(err error) []string {
	if f, ok := errors.AsType[*failure](err); ok {
		return lines(f.err)
	}
	if bad, ok := errors.AsType[*config.Error](err); ok {
		out := make([]string, len(bad.Faults))
		for i, fault := range bad.Faults {
			out[i] = fault.String()
		}
		if usage, ok := errors.AsType[*usageError](err); ok {
			out[len(out)-1] += usage.hint()
		}
		return out
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

func (e *usageError) Error() string { return e.err.Error() + e.hint() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) hint() string  { return fmt.Sprintf(" (see '%s --help')", e.command) }
