package cli_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// up is printed when the demo waits for Ctrl-C.
const up = "Ctrl-C ends it"

// TestDemo goes through the ways in which a demo may go and end, on one folder:
// each must leave nothing that runs, and the next must find all in order.
func TestDemo(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)

	p := in.run(t, 0, "demo", "--once")
	in.nothingLeft(t)
	for _, want := range []string{
		"source: 10 days of samples of 4 turbines, 56460 written, 0 there already\n",
		"orchestrator: ",
		"etl: 10 days done, 56460 samples read, 84690 values in the target, 84690 of them written now\n",
		"It works.",
	} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("demo --once: no %q on standard output:\n%s", want, p.stdout)
		}
	}
	if got := p.stderr.String(); got != "" {
		t.Errorf("demo --once: got on standard error:\n%s", got)
	}

	p = in.start(t, "demo")
	p.await(up)
	if want := "56460 samples read, 84690 values in the target, 0 of them written now\n"; !strings.Contains(p.stdout.String(), want) {
		t.Errorf("second demo: no %q on standard output:\n%s", want, p.stdout)
	}
	for _, want := range []string{", 0 written, 56460 there already\n", "2025-01-06 was corrected in the source, 1 day is stale\n"} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("second demo: no %q on standard output:\n%s", want, p.stdout)
		}
	}
	tryGuide(t, in, p)
	// Each part works under its own role; the owner's login is the test's own.
	for url, want := range map[string]string{in.source: "delfos_api", in.target: "delfos_etl"} {
		const others = `SELECT DISTINCT usename::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
		rows, err := pgtest.Pool(t, url).Query(t.Context(), others)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("who is connected: got %q, %v, want %s", got, err, want)
		}
	}
	source, target := in.serverPID(t, "source"), in.serverPID(t, "target")
	p.signal(syscall.SIGTERM)
	p.exit(0)
	in.nothingLeft(t, source, target)

	// The terminal is closed in the middle of its start. (Ctrl-C ends the demo of TestReadme.)
	p = in.start(t, "demo")
	p.await("PostgreSQL on port")
	p.signal(syscall.SIGHUP)
	p.exit(1)
	oneLine(t, p, "delfos: stopped: ")
	in.nothingLeft(t)

	// A server dies.
	p = in.start(t, "demo")
	p.await(up)
	source, target = in.serverPID(t, "source"), in.serverPID(t, "target")
	if err := syscall.Kill(target, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	p.exit(1)
	oneLine(t, p, "delfos: target database: ")
	in.nothingLeft(t, source, target)

	// Nobody reads what is printed any more.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := in.command(t.Context(), "demo")
	cmd.Stdout = write
	out := newWatched()
	cmd.Stderr = out
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("demo into a closed pipe: got %v, want exit code 1", err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "broken pipe") {
		t.Errorf("demo into a closed pipe: got on standard error %q", out)
	}
	in.nothingLeft(t)
}

// tryGuide runs every line that the demo proposes, from another folder.
func tryGuide(t *testing.T, in *installation, p *process) {
	t.Helper()
	_, guide, _ := strings.Cut(p.stdout.String(), "Try in another shell:\n\n")
	guide, _, _ = strings.Cut(guide, "\n\n")
	lines := strings.Split(guide, "\n")
	want := []string{
		`"ambient_temperature":`, // curl
		`"wind_speed":`,
		"56460", // psql
		"ambient_temperature_count",
		"2025-01-02  done ", // delfos
		`"partitions":10`,   // curl
		"2025-01",           // delfos
	}
	if len(lines) != len(want) {
		t.Fatalf("the guide has %d lines to try, want %d:\n%s", len(lines), len(want), guide)
	}
	for i, line := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir = t.TempDir()
		// As on the command line, the test binary is the program by its name.
		cmd.Env = []string{"PATH=" + in.bin + ":" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "PAGER=cat"}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want[i]) {
			t.Errorf("%s: got %v and\n%s\nwant %q in it", strings.TrimSpace(line), err, out, want[i])
		}
	}
}

// oneLine wants one line on standard error, and its beginning.
func oneLine(t *testing.T, p *process, begin string) {
	t.Helper()
	got := p.stderr.String()
	if !strings.HasPrefix(got, begin) || strings.Count(got, "\n") != 1 {
		t.Errorf("standard error: got\n%swant one line that begins with %q", got, begin)
	}
}

// TestDemoTakenPort takes each port in turn: one sentence with the way out, and
// nothing was begun.
func TestDemoTakenPort(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for i, variable := range []string{"API_ADDR", "SOURCE_DB_URL", "TARGET_DB_URL", "CONSOLE_ADDR"} {
		ln, err := net.Listen("tcp4", in.ports[i])
		if err != nil {
			t.Fatal(err)
		}
		p := in.run(t, 1, "demo")
		oneLine(t, p, "delfos: ")
		got := p.stderr.String()
		if !strings.Contains(got, port(in.ports[i])+" is taken") || !strings.Contains(got, "set "+variable) {
			t.Errorf("port of %s taken: got %q", variable, got)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(in.dir, ".delfos")); err == nil {
			t.Errorf("port of %s taken: .delfos was made", variable)
		}
	}
	in.nothingLeft(t)
}

// TestDemoWithoutPrograms fails at the first step, and leaves nothing.
func TestDemoWithoutPrograms(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	p := in.run(t, 1, "demo", "--delfos-pg-bin", t.TempDir())
	oneLine(t, p, "delfos: ")
	if got := p.stderr.String(); !strings.Contains(got, "DELFOS_PG_BIN") {
		t.Errorf("got %q, want the way out", got)
	}
	in.nothingLeft(t)
}

// TestPostgres starts the pair in the background, twice, and stops it, twice.
func TestPostgres(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.initialised(t, "target")
	t.Cleanup(func() {
		// Even if the test fails, the servers must not stay.
		_ = in.command(context.WithoutCancel(t.Context()), "postgres", "stop").Run()
	})
	started := in.run(t, 0, "postgres", "start")
	source, target := in.serverPID(t, "source"), in.serverPID(t, "target")
	if got := started.stdout.String(); strings.Count(got, " started on port ") != 2 || strings.Contains(got, "secret") {
		t.Errorf("start: got\n%s", got)
	}
	if got := in.run(t, 0, "postgres", "start").stdout.String(); strings.Count(got, " already running on port ") != 2 {
		t.Errorf("start again: got\n%s", got)
	}
	in.run(t, 0, "schema", "apply", "source", "target")
	if got := in.run(t, 0, "seed", "--days", "1").stdout.String(); got != "1440 samples written, 0 were there already\n" {
		t.Errorf("seed: got %q", got)
	}
	// The demo says what is in its way, and leaves the pair alone.
	p := in.run(t, 1, "demo")
	oneLine(t, p, "delfos: port ")
	if got := p.stderr.String(); !strings.Contains(got, "delfos postgres stop") {
		t.Errorf("demo beside the pair: got %q", got)
	}
	if got := in.run(t, 0, "postgres", "stop").stdout.String(); got != "source: stopped\ntarget: stopped\n" {
		t.Errorf("stop: got %q", got)
	}
	in.nothingLeft(t, source, target)
	if got := in.run(t, 0, "postgres", "stop").stdout.String(); got != "source: not running\ntarget: not running\n" {
		t.Errorf("stop again: got %q", got)
	}
}
