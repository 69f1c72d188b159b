//go:build pgbouncer

package endtoend_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// bouncer starts PgBouncer, as its package comes, before the server of a URL. It
// returns what the URL becomes of any database of that server.
func bouncer(t *testing.T, mode, database string) func(string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	port := freePort(t)
	dir := t.TempDir()
	for _, folder := range []string{filepath.Dir(dir), dir} { // another account reads it
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{
		"users.txt": fmt.Sprintf("%q %q\n", u.User.Username(), password),
		"pgbouncer.ini": fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = plain
auth_file = %s/users.txt
pool_mode = %s
`, u.Hostname(), u.Port(), port, dir, mode),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, filepath.Join(dir, "pgbouncer.ini"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // it refuses
		cmd.SysProcAttr.Credential = account(t, "postgres")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	await.True(t, "PgBouncer to answer", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return func(database string) string {
		through, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		through.Host = address
		return through.String()
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func account(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// In session mode everything works: schemas, COPY, claims, LISTEN.
func TestPgBouncerKeepsSessions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	source := s.source.Config().ConnString()
	through := bouncer(t, "session", source)
	s.wholeWay(t, through(source), through(s.ownerURL))
}

// In transaction mode the source API works, whatever settings the database has,
// and leaves its own behind for nobody.
func TestPgBouncerServesTheSourceAPI(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 3)
	source := s.source.Config().ConnString()
	name := strings.TrimPrefix(must(url.Parse(source)).Path, "/")
	pgtest.Exec(t, s.source, "CREATE SCHEMA first")
	pgtest.Exec(t, s.source, "CREATE TABLE first.data (LIKE public.data)")
	pgtest.Exec(t, s.source, "CREATE TABLE first.turbine (LIKE public.turbine)")
	pgtest.Exec(t, s.source, fmt.Sprintf("ALTER DATABASE %s SET search_path TO first, public", name))
	through := bouncer(t, "transaction", source)
	s.serve(t, through(source), slog.New(slog.NewTextHandler(t.Output(), nil)))

	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			job := s.newJob(t, s.ownerURL)
			if _, err := job.Run(t.Context(), request(2)); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	near(t, s.values(t), s.expected(t))

	// What another program finds in the pooler's sessions is its own.
	other := pgtest.Pool(t, through(source)+"&default_query_exec_mode=exec")
	for range 8 {
		if path := pgtest.Query[string](t, other, "SHOW search_path"); path != "first, public" {
			t.Errorf("another program's search_path is %s, want first, public", path)
		}
		if path := pgtest.Query[string](t, other, "SHOW enable_sort"); path != "on" {
			t.Errorf("another program's enable_sort is %s, want on", path)
		}
	}
}

// Where a session is needed, transaction mode is refused at once, in a sentence.
func TestPgBouncerInTransactionModeIsRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	target := bouncer(t, "transaction", s.ownerURL)(s.ownerURL)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))

	for _, test := range []struct {
		name string
		do   func() error
	}{
		{"etl", func() error {
			_, err := s.newJob(t, target).Run(t.Context(), request(1))
			return err
		}},
		{"orchestrate", func() error {
			o, err := service.Open(t.Context(), service.Config{TargetURL: target, SourceURL: s.apiURL, Config: orchestrator.Config{Workers: 1, Log: log}})
			if err == nil {
				o.Close()
			}
			return err
		}},
		{"schema", func() error {
			_, err := schema.Apply(t.Context(), target, schema.Target, schema.Options{})
			return err
		}},
		{"a pool", func() error {
			pool, err := etl.OpenTarget(t.Context(), target)
			if err != nil {
				return err
			}
			defer pool.Close()
			return pool.Ping(t.Context())
		}},
	} {
		err := test.do()
		if !errors.Is(err, pgpool.ErrShared) || strings.Count(err.Error(), pgpool.ErrShared.Error()) != 1 {
			t.Errorf("%s: got %v, want once that the pooler keeps no session", test.name, err)
		}
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM data"); n != 0 {
		t.Errorf("%d values were written, want none", n)
	}
}
