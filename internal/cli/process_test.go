package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// A process is a run of the program, beside the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *watched
	stderr *watched
	ended  chan struct{}
}

// An installation is a working directory with an environment that has nothing
// but what it needs, and parts on free ports.
type installation struct {
	bin, dir string
	api      string
	console  string
	source   string
	target   string
	ports    []string // that must be closed when all is over
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	in := &installation{bin: install(t), dir: t.TempDir(), api: freeAddr(t), console: freeAddr(t)}
	source, target := freeAddr(t), freeAddr(t)
	in.source = "postgres://me:it's%20secret@localhost:" + port(source) + "/wind?sslmode=disable"
	in.target = "postgres://delfos:delfos@localhost:" + port(target) + "/delfos?sslmode=disable"
	in.ports = []string{in.api, source, target, in.console}
	return in
}

// initialised spares embedded servers, of the default user and database, their initdb.
func (in *installation) initialised(t *testing.T, servers ...string) {
	t.Helper()
	for _, name := range servers {
		pgtest.Cluster(t, filepath.Join(in.dir, ".delfos", name))
	}
}

func port(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }

func (in *installation) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(in.bin, program), args...)
	cmd.Dir = in.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + in.dir, "API_ADDR=" + in.api, "CONSOLE_ADDR=" + in.console,
		"SOURCE_DB_URL=" + in.source, "TARGET_DB_URL=" + in.target,
	}
	return cmd
}

// start runs the program; if it is still there at the test's end, it is killed.
func (in *installation) start(t *testing.T, args ...string) *process {
	t.Helper()
	return in.startWith(t, nil, args...)
}

// startWith is start with a standard input.
func (in *installation) startWith(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	p := &process{t: t, cmd: in.command(ctx, args...), stdout: newWatched(), stderr: newWatched(), ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

// run runs the program to its end and wants the exit code.
func (in *installation) run(t *testing.T, code int, args ...string) *process {
	t.Helper()
	p := in.start(t, args...)
	p.exit(code)
	return p
}

// exit waits for the end and wants the exit code.
func (p *process) exit(want int) {
	p.t.Helper()
	<-p.ended
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		p.t.Fatalf("delfos %s: got exit code %d (%s), want %d\nstandard output:\n%s\nstandard error:\n%s",
			strings.Join(p.cmd.Args[1:], " "), got, p.cmd.ProcessState, want, p.stdout, p.stderr)
	}
}

// await waits until text stands on standard output.
func (p *process) await(text string) {
	p.t.Helper()
	for !strings.Contains(p.stdout.String(), text) {
		select {
		case <-p.stdout.grown:
		case <-p.ended:
			if !strings.Contains(p.stdout.String(), text) {
				p.t.Fatalf("ended without %q\nstandard output:\n%s\nstandard error:\n%s", text, p.stdout, p.stderr)
			}
		}
	}
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// serverPID is the process of an embedded server that runs.
func (in *installation) serverPID(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(in.dir, ".delfos", name, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// nothingLeft wants the servers' processes gone and every port closed.
func (in *installation) nothingLeft(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) && !zombie(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	for _, addr := range in.ports {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			t.Errorf("%s is still listened on", addr)
		}
	}
	for _, name := range []string{"source", "target"} {
		if _, err := os.Stat(filepath.Join(in.dir, ".delfos", name, "data", "postmaster.pid")); err == nil {
			t.Errorf("the %s server has left its postmaster.pid", name)
		}
	}
}

// zombie says whether a process has ended and only its parent has not yet asked:
// that of a detached server is the machine's first process.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// A watched buffer tells that it has grown.
type watched struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grown chan struct{}
}

func newWatched() *watched { return &watched{grown: make(chan struct{}, 1)} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	select {
	case w.grown <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
