package localpg_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// sleeping is a program that does nothing.
type sleeping struct {
	pid  int
	kill func()
}

func sleepAs(t *testing.T, uid, gid uint32) sleeping {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return sleeping{pid: cmd.Process.Pid, kill: kill}
}

// The kernel stops the server of a process that is killed; where it can't, the
// next Start does.
func TestKilledPredecessor(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	predecessor := startHelper(t, "attached", dir)
	exec1(t, predecessor.url(t), "CREATE TABLE kept AS SELECT 'still here' AS x")
	pid := pidOf(t, dir)
	predecessor.kill()
	if runtime.GOOS == "linux" {
		await.True(t, "the server of a killed process to end", func() bool { return gone(pid) })
		wantNothingLeft(t, dir)
	}
	server := start(t, config(dir))
	if got := query(t, server.URL(), "SELECT x FROM kept"); got != "still here" {
		t.Errorf("data of the predecessor: got %q, want it back", got)
	}
}

func TestPredecessorKilledInInitdb(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	predecessor := startHelper(t, "attached", dir)
	await.True(t, "initdb to begin", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "init-*/data/PG_VERSION"))
		return len(found) > 0
	})
	predecessor.kill()
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("data after a killed initdb: got %v, want that it isn't there", err)
	}
	server := start(t, config(dir))
	if got := query(t, server.URL(), "SELECT 'up'"); got != "up" {
		t.Errorf("query: got %q", got)
	}
	stop(t, server)
	wantNothingLeft(t, dir)
}

//nolint:tparallel // The subtests follow each other in one folder.
func TestDetached(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	if err := localpg.StopDetached(t.Context(), dir); !errors.Is(err, localpg.ErrNotRunning) {
		t.Errorf("StopDetached before any start: got %v, want ErrNotRunning", err)
	}

	starter := startHelper(t, "detached", dir)
	address := starter.url(t)
	starter.end(t)
	t.Cleanup(func() { _ = localpg.StopDetached(t.Context(), dir) })
	if got := query(t, address, "SELECT 'up'"); got != "up" {
		t.Errorf("query after the starter's end: got %q", got)
	}
	pid := pidOf(t, dir)

	again, err := localpg.StartDetached(t.Context(), config(dir))
	if err != nil {
		t.Fatalf("StartDetached again: %v", err)
	}
	if want := (localpg.Detached{PID: pid, Port: again.Port, URL: address, Already: true}); again != want {
		t.Errorf("StartDetached again: got %+v, want %+v", again, want)
	}
	_, err = localpg.Start(t.Context(), config(dir))
	wantSentence(t, err, dir, "in the background", strconv.Itoa(pid), "delfos postgres stop")

	if err := localpg.StopDetached(t.Context(), dir); err != nil {
		t.Errorf("StopDetached: %v", err)
	}
	if !gone(pid) {
		t.Errorf("process %d is there after StopDetached", pid)
	}
	if err := localpg.StopDetached(t.Context(), dir); !errors.Is(err, localpg.ErrNotRunning) {
		t.Errorf("StopDetached again: got %v, want ErrNotRunning", err)
	}
	wantNothingLeft(t, dir)

	t.Run("left behind by a killed process", func(t *testing.T) {
		orphan, err := localpg.StartDetached(t.Context(), config(dir))
		if err != nil {
			t.Fatalf("StartDetached: %v", err)
		}
		// What the kernel doesn't stop elsewhere looks just so.
		dead := sleepAs(t, 0, 0)
		dead.kill()
		write(t, filepath.Join(dir, "lock"), strconv.Itoa(dead.pid), 0o600)
		if err := localpg.StopDetached(t.Context(), dir); err != nil || !gone(orphan.PID) {
			t.Errorf("StopDetached: got %v, and process %d is there: %t", err, orphan.PID, !gone(orphan.PID))
		}
	})

	t.Run("of a live process", func(t *testing.T) {
		server := start(t, config(dir))
		wantSentence(t, localpg.StopDetached(t.Context(), dir), "in use by process "+strconv.Itoa(os.Getpid()))
		if got := query(t, server.URL(), "SELECT 'up'"); got != "up" {
			t.Errorf("query: got %q", got)
		}
	})
}

// Root's server gets by without any privilege, also in a folder whose path is
// closed to it.
func TestAccounts(t *testing.T) {
	t.Parallel()
	places := map[string]os.FileMode{"open parent": 0o755}
	if os.Geteuid() == 0 && runtime.GOOS == "linux" {
		places["parent closed to all but root"] = 0o700
	}
	for name, mode := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := folder(t)
			if err := os.Chmod(parent, mode); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(parent, "pg")
			if mode == 0o755 { // initdb there is TestServer's
				pgtest.Cluster(t, dir)
			}
			c := config(dir)
			c.Superuser, c.Roles = true, pgtest.Superuser() // for the checkpoint and the reload
			server := start(t, c)
			exec1(t, server.URL(), "CREATE TABLE kept AS SELECT string_agg(i::text, ',') AS x FROM generate_series(1, 10000) AS i; CHECKPOINT; SELECT pg_reload_conf()")
			exec1(t, server.URL(), "CREATE DATABASE another")
			stop(t, server)
			server = start(t, c)
			if got := len(query(t, server.URL(), "SELECT x FROM kept")); got != 48893 {
				t.Errorf("length of the text after a restart: got %d, want 48893", got)
			}
			if runtime.GOOS != "linux" {
				return
			}
			status, err := os.ReadFile("/proc/" + strconv.Itoa(server.PID()) + "/status")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(status), "CapEff:\t0000000000000000") || strings.Contains(string(status), "Uid:\t0") {
				t.Errorf("the server has privileges:\n%s", status)
			}
		})
	}
}
