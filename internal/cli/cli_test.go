package cli_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/delfos/delfos/internal/cli"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// program is the name under which this test binary is the program itself.
const program = "delfos"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == program {
		os.Exit(cli.Main(context.Background(), cli.Program{
			Path: os.Args[0], Args: os.Args[1:], Environ: os.Environ(),
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			Version: cli.Version{Number: "v1.2.3", Commit: "0123abc"},
			OpenAPI: []byte("openapi: 3.1.0\ninfo: {title: Delfos, version: 0.0.0}\npaths: {}\n"),
		}))
	}
	// Debian's psql in PATH is a script that costs more than what it then runs.
	if places, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(places) > 0 {
		if err := os.Setenv("PATH", places[len(places)-1]+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m)
}

// install returns a folder that holds this test binary as the program. It is no
// symbolic link: the program prints its own path for others to call.
func install(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, program)
	newest.Lock()
	defer newest.Unlock()
	for _, from := range []string{exe, newest.path} { // exe may be on another disk
		if os.Link(from, path) == nil {
			newest.path = path
			return dir
		}
	}
	binary, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	newest.path = path
	return dir
}

// newest is what install has made last: another link to it costs less than another copy.
var newest struct {
	sync.Mutex

	path string
}

// nextPort counts the ports that freeAddr has given out.
var nextPort atomic.Int32

// freeAddr is an address that nobody listens on, for a program that can't be
// handed a listener. It is below the range from which the system gives ports to
// connections and to listeners on port 0, which would take it before its use;
// where it begins depends on the process, for test binaries that run at once.
func freeAddr(t *testing.T) string {
	t.Helper()
	const first, count = 20_000, 12_000
	for range count {
		port := first + (os.Getpid()*97+int(nextPort.Add(1)))%count
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		return ln.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// TestScript runs what needs no database.
func TestScript(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script/*.txtar", func(*testing.T, *testscript.Env) {})
}

// TestDatabaseScript runs each script on a source and a target of its own:
// with tables, but for the script that applies them.
func TestDatabaseScript(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/database/*.txtar", func(t *testing.T, env *testscript.Env) {
		t.Helper()
		source, target := pgtest.Source, pgtest.Target
		if strings.HasSuffix(t.Name(), "/schema") {
			source, target = pgtest.Empty, pgtest.Empty
		}
		api, console := freeAddr(t), freeAddr(t)
		env.Setenv("SOURCE_DB_URL", source(t))
		env.Setenv("TARGET_DB_URL", target(t))
		env.Setenv("API_ADDR", api)
		env.Setenv("SOURCE_API_URL", "http://"+api)
		env.Setenv("CONSOLE_ADDR", console)
		env.Setenv("TARGET_API_URL", "http://"+console)
	})
}

func runScripts(t *testing.T, pattern string, setup func(*testing.T, *testscript.Env)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts %s: %d found, %v", pattern, len(files), err)
	}
	bin := install(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "await": await},
				Setup: func(env *testscript.Env) error {
					env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
					env.Setenv("GORACE", os.Getenv("GORACE"))
					setup(t, env)
					return nil
				},
			})
		})
	}
}

// await runs a program again and again until it succeeds.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: await program args...")
	}
	for deadline := time.Now().Add(limit); ts.Exec(args[0], args[1:]...) != nil; {
		if time.Now().After(deadline) {
			ts.Fatalf("%s never succeeded", strings.Join(args, " "))
		}
		time.Sleep(50 * time.Millisecond) // a program's start takes as much of the processor
	}
}

// exits runs a program that must end with the code given first.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s: got exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}
