package localpg_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// helperMode makes this test binary a program that starts a server and is
// killed by the test.
const helperMode = "LOCALPG_TEST_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperMode); mode != "" {
		os.Exit(help(mode, os.Args[1]))
	}
	pgtest.Main(m)
}

// help starts a server in dir, says its URL, and stays until its input ends.
func help(mode, dir string) int {
	config := config(dir)
	var address string
	if mode == "detached" {
		server, err := localpg.StartDetached(context.Background(), config)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		address = server.URL
	} else {
		server, err := localpg.Start(context.Background(), config)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		address = server.URL()
	}
	fmt.Fprintln(os.Stdout, address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// helper runs help in a process of its own.
type helper struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

func startHelper(t *testing.T, mode, dir string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), helperMode+"="+mode)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	t.Cleanup(h.kill)
	return h
}

// url waits for the helper's server.
func (h *helper) url(t *testing.T) string {
	t.Helper()
	line, err := h.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("read the helper's URL: %v", err)
	}
	return strings.TrimSpace(line)
}

// kill is kill -9.
func (h *helper) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// end lets the helper go.
func (h *helper) end(t *testing.T) {
	t.Helper()
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Fatalf("helper: %v", err)
	}
}

// folder is an empty one that every account can reach; t.TempDir's is closed.
func folder(t *testing.T) string {
	t.Helper()
	//nolint:usetesting // See above.
	dir, err := os.MkdirTemp("", "localpg-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// filled is a folder with the data of a server that was stopped, for tests of what comes after initdb.
func filled(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	pgtest.Cluster(t, dir)
	return dir
}

func config(dir string) localpg.Config {
	return localpg.Config{Dir: dir, BinDir: os.Getenv("DELFOS_PG_BIN"), Fast: true}
}

// start starts a server that is stopped at the test's end if not before.
func start(t *testing.T, c localpg.Config) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *localpg.Server) {
	t.Helper()
	if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// query returns the one text that sql gives.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// with changes the user information of a URL.
func with(t *testing.T, address string, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	return u.String()
}

// pidOf is the number that the server of dir wrote down.
func pidOf(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
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

// gone says whether a process has ended. One that nobody has reaped has.
func gone(pid int) bool {
	_, there := processes()[pid]
	return !there
}

// wantSentence checks that err is for a user: it names each part, and is one
// line before the end of a log.
func wantSentence(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("error: got none, want one that names %q", parts)
	}
	if sentence, _, _ := strings.Cut(err.Error(), "\nthe last lines of "); strings.Contains(sentence, "\n") {
		t.Errorf("error: got %q, want one line", sentence)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error: got %q, want it to name %q", err, part)
		}
	}
}

// wantNothingLeft checks that a failed or cancelled Start left no process, no
// half-made cluster, and no lock.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	await.True(t, "processes of "+dir+" to end", func() bool { return len(processesOf(dir)) == 0 })
	if left, _ := filepath.Glob(filepath.Join(dir, "init-*")); len(left) > 0 {
		t.Errorf("half-made clusters: got %q, want none", left)
	}
	if localpg.InUse(dir) {
		t.Errorf("%s is still locked", dir)
	}
}

// processes are the command lines of all live processes, by their numbers.
func processes() map[int]string {
	all := map[int]string{}
	if entries, _ := filepath.Glob("/proc/[0-9]*/cmdline"); len(entries) > 0 {
		for _, entry := range entries {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
			if line, err := os.ReadFile(entry); err == nil && len(line) > 0 { // a dead one's is empty
				all[pid] = strings.ReplaceAll(string(line), "\x00", " ")
			}
		}
		return all
	}
	out, _ := exec.Command("ps", "-A", "-o", "pid=,stat=,args=").Output()
	for line := range strings.Lines(string(out)) {
		var pid int
		var state string
		if _, err := fmt.Sscan(line, &pid, &state); err == nil && !strings.HasPrefix(state, "Z") {
			all[pid] = line
		}
	}
	return all
}

// processesOf lists the command lines that name dir.
func processesOf(dir string) []string {
	var found []string
	for _, line := range processes() {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}
