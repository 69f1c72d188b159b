package localpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/pgpool"
)

const (
	initPattern = "init-*"
	initial     = "postgres"
	// hba asks every role for its password, and initdb's superuser has none.
	hba = "host all,replication all 127.0.0.1/32 scram-sha-256\n"
)

// cluster is the data of a Config.Dir, and what is needed to run programs on it.
type cluster struct {
	Config

	bin  string // folder of the programs
	who  account
	lock *lock
	log  *os.File
}

func dataOf(dir string) string { return filepath.Join(dir, "data") }

func logOf(dir string) string { return filepath.Join(dir, "server.log") }

// open finds the programs and makes the cluster if there is none. The caller closes the log.
func open(ctx context.Context, c Config, held *lock) (*cluster, error) {
	want, err := major(dataOf(c.Dir))
	if err != nil {
		return nil, err
	}
	who, err := accountFor(dataOf(c.Dir))
	if err != nil {
		return nil, err
	}
	bin, err := findBin(ctx, c, who, want)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logOf(c.Dir), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, unwritable(c.Dir, err)
	}
	cluster := &cluster{Config: c, bin: bin, who: who, lock: held, log: log}
	if err = who.own(log.Name(), held.Name()); err == nil && want == 0 { // for a later run without root
		err = cluster.init(ctx)
	}
	if err == nil {
		dropForeignPID(c.Dir)
		err = cluster.makeRoles(ctx)
	}
	if err != nil {
		_ = log.Close()
		return nil, err
	}
	return cluster, nil
}

// makeRoles runs the statements of Roles unless the same were run before, as their digest tells.
func (c *cluster) makeRoles(ctx context.Context) error {
	if len(c.Roles) == 0 {
		return nil
	}
	statements := strings.Join(c.Roles, "\n") + "\n"
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(statements)))
	marker := filepath.Join(c.Dir, "roles")
	if done, err := os.ReadFile(marker); err == nil && string(done) == digest {
		return nil
	}
	if err := c.run(ctx, dataOf(c.Dir), statements, "postgres", "--single", "-F"); err != nil {
		return fmt.Errorf("make the roles of %s: %w%s", c.Dir, err, lastLines(c.Dir))
	}
	if err := os.WriteFile(marker, []byte(digest), 0o600); err != nil {
		return unwritable(c.Dir, err)
	}
	return nil
}

// major is the major version of the cluster in data, 0 if there is none yet.
func major(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if entries, _ := os.ReadDir(data); len(entries) > 0 {
			return 0, fmt.Errorf("%s holds files but no PostgreSQL data (no PG_VERSION in it): move them away, or choose another folder", data)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of PostgreSQL's data: %w", err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION says %q, which is not a version of PostgreSQL from 10 on: remove the folder to start afresh", data, text)
	}
	return version, nil
}

// init makes the cluster beside its place, so that an interrupted one is never used.
func (c *cluster) init(ctx context.Context) error {
	halfMade, err := filepath.Glob(filepath.Join(c.Dir, initPattern))
	for _, path := range halfMade {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("remove half-made clusters: %w", err)
	}
	work, err := os.MkdirTemp(c.Dir, initPattern)
	if err != nil {
		return fmt.Errorf("make a folder for a new PostgreSQL cluster: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // if it stays, the next Start removes it
	data := dataOf(work)
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("make a folder for a new PostgreSQL cluster: %w", err)
	}
	if err := c.who.own(work, data); err != nil {
		return err
	}
	switch err := c.fill(ctx, data); {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("make a PostgreSQL cluster in %s: %w", dataOf(c.Dir), ctx.Err())
	case err != nil:
		return fmt.Errorf("make a PostgreSQL cluster in %s: %w%s", dataOf(c.Dir), err, lastLines(c.Dir))
	}
	if err := os.Rename(data, dataOf(c.Dir)); err != nil {
		return fmt.Errorf("put the new PostgreSQL cluster in place: %w", err)
	}
	return nil
}

// fill makes the files of a cluster, and its role and database before the server
// first listens, so that no superuser of initdb's ever logs in.
func (c *cluster) fill(ctx context.Context, data string) error {
	superuser := initial
	if c.User == initial {
		superuser = "superuser"
	}
	err := c.run(ctx, data, "", "initdb", "--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
		// Waiting for the disk takes four times as long, and a crash could only damage what was just
		// made.
		"--no-sync")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		return fmt.Errorf("close the cluster: %w", err)
	}
	role, may := pgx.Identifier{c.User}.Sanitize(), "CREATEDB"
	if c.Superuser {
		may = "SUPERUSER"
	}
	// Single-user mode reads a statement a line.
	statements := fmt.Sprintf("CREATE ROLE %s LOGIN %s PASSWORD '%s'\n", role, may, strings.ReplaceAll(c.Password, "'", "''"))
	if c.Database != initial {
		statements += fmt.Sprintf("CREATE DATABASE %s OWNER %s\n", pgx.Identifier{c.Database}.Sanitize(), role)
	}
	if err := c.run(ctx, data, statements, "postgres", "--single", "-F", "-c", "exit_on_error=on"); err != nil {
		return fmt.Errorf("create the role %s: %w", c.User, err)
	}
	return nil
}

// run runs one of the server's programs to its end, with that input. It dies with this process.
func (c *cluster) run(ctx context.Context, data, input, name string, args ...string) error {
	cmd, err := c.command(ctx, data, name, args...)
	if err != nil {
		return err
	}
	if name != "initdb" {
		cmd.Args = append(cmd.Args, initial)
	}
	cmd.Stdin = strings.NewReader(input)
	dieWithParent(cmd, syscall.SIGKILL)
	p, err := launch(cmd)
	if err != nil {
		return err
	}
	<-p.done
	return p.err
}

func (c *cluster) serve(port int, attached bool) (*process, error) {
	var args []string
	for _, setting := range c.settings(port) {
		args = append(args, "-c", setting)
	}
	// Not the caller's context, which would kill the server.
	cmd, err := c.command(context.Background(), dataOf(c.Dir), "postgres", args...)
	if err != nil {
		return nil, err
	}
	if attached {
		dieWithParent(cmd, syscall.SIGINT) // the fast shutdown: sessions are cut, data is written out
	} else {
		detach(cmd)
	}
	return launch(cmd)
}

// ensureDatabase checks user and password, and makes the database if it is absent.
func ensureDatabase(ctx context.Context, c Config, port int) error {
	conn, err := pgpool.Connect(ctx, c.url(port, c.Database), pgpool.Options{})
	if err == nil {
		return conn.Close(ctx)
	}
	const wrongPassword, wrongRole, noDatabase = "28P01", "28000", "3D000"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case wrongPassword, wrongRole:
			return fmt.Errorf("the PostgreSQL data in %s was made for another user or password than %q's: give those, or remove the folder to start afresh", c.Dir, c.User)
		case noDatabase:
			return createDatabase(ctx, c, port)
		}
	}
	return fmt.Errorf("connect to the PostgreSQL of %s: %w", c.Dir, err)
}

// createDatabase's statement can't stand in queries/, because it takes no parameters.
func createDatabase(ctx context.Context, c Config, port int) error {
	conn, err := pgpool.Connect(ctx, c.url(port, initial), pgpool.Options{})
	if err != nil {
		return fmt.Errorf("connect to the PostgreSQL of %s: %w", c.Dir, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{c.Database}.Sanitize()); err != nil {
		return fmt.Errorf("create the database %s: %w", c.Database, err)
	}
	return nil
}

func pidFile(dir string) string { return filepath.Join(dataOf(dir), "postmaster.pid") }

// readPostmaster reads postmaster.pid; pid is 0 if there is none, or it names no process yet.
func readPostmaster(dir string) (pid, port int, ready bool) {
	text, err := os.ReadFile(pidFile(dir))
	if err != nil {
		return 0, 0, false
	}
	// One value a line; see PostgreSQL's src/include/utils/pidfile.h.
	const pidLine, portLine, statusLine, all = 0, 3, 7, 8
	lines := append(strings.Split(string(text), "\n"), make([]string, all)...)
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[pidLine]))
	port, _ = strconv.Atoi(strings.TrimSpace(lines[portLine]))
	return max(pid, 0), port, strings.TrimSpace(lines[statusLine]) == "ready"
}

// dropForeignPID removes a postmaster.pid whose number belongs to another program by now, which
// PostgreSQL would take for a server. A server's working folder is its data. Where the folder can't be
// seen, PostgreSQL decides.
func dropForeignPID(dir string) {
	pid, _, _ := readPostmaster(dir)
	if pid == 0 || runtime.GOOS != "linux" {
		return
	}
	cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return
	}
	if data, err := os.Stat(dataOf(dir)); err == nil && !os.SameFile(cwd, data) {
		_ = os.Remove(pidFile(dir)) // or PostgreSQL says what is wrong
	}
}

// lastLines is the end of the log, to stand after an error; empty if there is none.
func lastLines(dir string) string {
	const most = 8
	text, _ := os.ReadFile(logOf(dir)) // no log, no lines
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if lines[0] == "" {
		return ""
	}
	return fmt.Sprintf("\nthe last lines of %s:\n  %s", logOf(dir), strings.Join(lines[max(0, len(lines)-most):], "\n  "))
}
