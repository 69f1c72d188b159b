// Command bench measures Delfos beside plain psql on the same machine and in
// the same run, and writes bench/RESULTS.md. `make bench` runs it.
//
// It starts a pair of PostgreSQL servers of its own, as safe against a crash
// as in production, and seeds them. Each line of the table is a baseline and
// ours, run in turn for a number of rounds; both are child processes, so that
// what is measured is what a person would run.
//
// It exits 1 when a line could not be measured, not when one misses its target.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	quick    bool
	rounds   int
	turbines int
	seconds  int
	only     string
	delfos   string
	out      string
	goBench  string
	version  string
	note     string
	notes    string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one round, 50 turbines, one second: to see that it works")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each baseline and ours run, in turn")
	flag.IntVar(&o.turbines, "turbines", 1000, "turbines of the fleet day")
	flag.IntVar(&o.seconds, "seconds", 5, "how long a rate is measured in each round")
	flag.StringVar(&o.only, "only", "", "lines to run, by name with commas between; all if empty")
	flag.StringVar(&o.delfos, "delfos", "bin/delfos", "the program to measure")
	flag.StringVar(&o.out, "out", "bench/RESULTS.md", "where to write the results")
	flag.StringVar(&o.goBench, "gobench", "", "output of go test -bench -benchmem to add as a table")
	flag.StringVar(&o.version, "version", "", "what was measured, for the results")
	flag.StringVar(&o.note, "note", "", "what else to say of the machine")
	flag.StringVar(&o.notes, "notes", "bench/NOTES.md", "what is said by hand of lines that miss; \"\" for nothing")
	flag.Parse()
	if o.quick {
		o.rounds, o.turbines, o.seconds = 1, 50, 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if flag.NArg() > 0 || o.rounds < 1 || o.turbines < 10 || o.seconds < 1 {
		return errors.New("rounds and seconds are at least 1, turbines at least 10, and there are no arguments")
	}
	if o.delfos, err = filepath.Abs(o.delfos); err != nil {
		return fmt.Errorf("find the program to measure: %w", err)
	}
	goBench, err := readGoBench(o.goBench)
	if err != nil {
		return err
	}
	b, err := start(ctx, o)
	if err != nil {
		return err
	}
	// The servers end by this, not by the signal.
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	chosen, err := choose(b.lines(), o.only)
	if err != nil {
		return err
	}
	said, err := readNotes(o.notes, b.lines())
	if err != nil {
		return err
	}
	begun := time.Now()
	results := make([]result, 0, len(chosen))
	var failed []error
	for _, l := range chosen {
		fmt.Fprintf(os.Stderr, "%6.1f s  %s: %s\n", time.Since(begun).Seconds(), l.name, l.work)
		r := b.measure(ctx, l)
		if ctx.Err() != nil {
			failed = append(failed, fmt.Errorf("%s: %w", l.name, context.Cause(ctx)))
			break // What was measured before is written.
		}
		if r.err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", l.name, r.err))
		}
		fmt.Fprintln(os.Stderr, "          "+r.short())
		results = append(results, r)
	}
	rep := report{options: o, results: results, goBench: goBench, notes: said, postgres: b.version, peak: peakOf(os.Getpid()), begun: begun, missing: len(b.lines()) - len(results)}
	if err := os.WriteFile(o.out, []byte(rep.markdown()), 0o644); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("write the results: %w", err)
	}
	return errors.Join(failed...)
}

// choose picks lines by name, in their order.
func choose(all []line, only string) ([]line, error) {
	if only == "" {
		return all, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(only, ",") {
		wanted[name] = true
	}
	var chosen []line
	var names []string
	for _, l := range all {
		names = append(names, l.name)
		if wanted[l.name] {
			chosen = append(chosen, l)
			delete(wanted, l.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("only: %q is no line, there are %s", name, strings.Join(names, ", "))
	}
	return chosen, nil
}
