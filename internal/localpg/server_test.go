package localpg_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

//nolint:tparallel // The subtests follow each other on one server.
func TestServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "made", "by it")
	c := config(dir)
	c.User, c.Password, c.Database = "us er", `p@ss/w:rd '?#%`, `Da"ta`
	c.Superuser = true // to see all settings
	server := start(t, c)

	t.Run("settings", func(t *testing.T) {
		want := map[string]string{
			"timezone": "UTC", "log_timezone": "UTC", "listen_addresses": "127.0.0.1",
			"server_encoding": "UTF8", "lc_collate": "C", "lc_ctype": "C",
			"password_encryption": "scram-sha-256", "unix_socket_directories": "",
			"max_connections": "400", "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
			"port": strconv.Itoa(server.Port()),
		}
		got := map[string]string{}
		for name := range want {
			got[name] = query(t, server.URL(), fmt.Sprintf("SELECT setting FROM (SELECT name, setting FROM pg_settings UNION ALL SELECT 'lc_collate', datcollate FROM pg_database WHERE datname = current_database() UNION ALL SELECT 'lc_ctype', datctype FROM pg_database WHERE datname = current_database()) s WHERE lower(name) = '%s' LIMIT 1", name))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
		if got := query(t, server.URL(), "SELECT current_user || ' in ' || current_database()"); got != `us er in Da"ta` {
			t.Errorf(`user and database: got %q, want "us er in Da\"ta"`, got)
		}
	})

	t.Run("wrong password", func(t *testing.T) {
		for _, password := range []string{"wrong", ""} {
			conn, err := pgx.Connect(t.Context(), with(t, server.URL(), url.UserPassword(c.User, password)))
			if err == nil {
				_ = conn.Close(t.Context())
				t.Errorf("connect with the password %q: got in", password)
			}
		}
	})

	t.Run("not on other addresses", func(t *testing.T) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(server.Port())))
		if err == nil {
			_ = conn.Close()
			t.Error("127.0.0.2: got a connection")
		}
	})

	t.Run("second start in the folder", func(t *testing.T) {
		_, err := localpg.Start(t.Context(), c)
		wantSentence(t, err, dir, "in use by process "+strconv.Itoa(os.Getpid()))
	})

	exec1(t, server.URL(), "CREATE TABLE kept (x text); INSERT INTO kept VALUES ('still here')")
	pid := server.PID()
	stop(t, server)
	<-server.Done()
	if err := server.Err(); err != nil {
		t.Errorf("Err after Stop: got %v, want none", err)
	}
	if !gone(pid) {
		t.Errorf("process %d is there after Stop", pid)
	}
	wantNothingLeft(t, dir)

	t.Run("start with another password", func(t *testing.T) {
		other := c
		other.Password = "wrong"
		_, err := localpg.Start(t.Context(), other)
		wantSentence(t, err, dir, "another user or password", "remove the folder")
		wantNothingLeft(t, dir)
	})

	server = start(t, c)
	if got := query(t, server.URL(), "SELECT x FROM kept"); got != "still here" {
		t.Errorf("data after a restart: got %q, want it back", got)
	}

	t.Run("ends by itself", func(t *testing.T) {
		if err := server.Err(); err != nil {
			t.Errorf("Err of a running server: got %v, want none", err)
		}
		if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-server.Done()
		wantSentence(t, server.Err(), dir, "ended by itself", "killed", "server.log")
		stop(t, server)
		// Its sessions may take a moment to notice.
		again := start(t, c)
		if got := query(t, again.URL(), "SELECT x FROM kept"); got != "still here" {
			t.Errorf("data after a crash: got %q, want it back", got)
		}
	})
}

//nolint:tparallel // The subtests follow each other in one folder.
func TestStalePIDFile(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	data := filepath.Join(dir, "data")
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("owner of %s: got a %T", data, info.Sys())
	}
	// Only a process of the server's own account makes PostgreSQL refuse.
	sleeper := sleepAs(t, owner.Uid, owner.Gid)
	dead := sleepAs(t, owner.Uid, owner.Gid)
	dead.kill()

	for name, pid := range map[string]int{
		"of no process":      dead.pid,
		"of another program": sleeper.pid,
		"of this process":    os.Getpid(),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(data, "postmaster.pid")
			text := fmt.Sprintf("%d\n%s\n1735689600\n5433\n\n127.0.0.1\n  1234567 0\nready   \n", pid, data)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
				t.Fatal(err)
			}
			server := start(t, config(dir))
			if got := query(t, server.URL(), "SELECT 'up'"); got != "up" {
				t.Errorf("query: got %q", got)
			}
			stop(t, server)
		})
	}
	if gone(sleeper.pid) {
		t.Error("the other program was ended")
	}
}

func TestCancelledStart(t *testing.T) {
	t.Parallel()
	// Each state is seen by a file that appears.
	for name, sign := range map[string]string{
		"in initdb":         "init-*/data/PG_VERSION",
		"before it's ready": "data/postmaster.pid",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			if name == "before it's ready" {
				pgtest.Cluster(t, dir)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				server, err := localpg.Start(ctx, config(dir))
				if err == nil {
					err = server.Stop(context.WithoutCancel(ctx))
				}
				ended <- err
			}()
			await.True(t, sign, func() bool {
				found, _ := filepath.Glob(filepath.Join(dir, sign))
				return len(found) > 0
			})
			cancel()
			err := <-ended
			if name == "in initdb" { // the other may be ready by now
				wantSentence(t, err, context.Canceled.Error())
			}
			wantNothingLeft(t, dir)
			if server := start(t, config(dir)); query(t, server.URL(), "SELECT 'up'") != "up" {
				t.Error("start after the cancelled one")
			}
		})
	}
}

func TestStopOfAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	server := start(t, config(dir))
	if err := syscall.Kill(server.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no patience
	if err := server.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := server.Err(); err != nil {
		t.Errorf("Err after Stop: got %v, want none", err)
	}
	wantNothingLeft(t, dir)
}

// What a crash of the machine could cost is given up for tests alone.
func TestSafety(t *testing.T) {
	t.Parallel()
	fast, safe := localpg.Settings(localpg.Config{Fast: true}, 5433), localpg.Settings(localpg.Config{}, 5433)
	if !slices.Contains(safe, "max_connections=100") {
		t.Errorf("settings: got %q, want max_connections=100", safe)
	}
	for _, setting := range []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off"} {
		if slices.Contains(safe, setting) || !slices.Contains(fast, setting) {
			t.Errorf("%s: got %t without Fast and %t with it, want false and true", setting, slices.Contains(safe, setting), slices.Contains(fast, setting))
		}
	}
}
