package localpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/pgpool"
)

// bond is how a server hangs on this process.
type bond int

const (
	attached bond = iota // ends with this process
	detached             // outlives it
)

var (
	// errPortTaken: another program listens on the port.
	errPortTaken = errors.New("port taken")
	// errStillDying: sessions of a killed predecessor haven't ended yet.
	errStillDying = errors.New("sessions of the last server are still ending")
)

// launchServer makes the cluster if there is none, and starts its server.
// Nothing may serve the folder at that time, and the caller holds its lock.
func launchServer(ctx context.Context, c Config, p paths, held *lock, b bond) (*Server, error) {
	want, err := major(p.data)
	if err != nil {
		return nil, err
	}
	who, err := accountFor(p.data)
	if err != nil {
		return nil, err
	}
	bin, err := findBin(ctx, c, who, want)
	if err != nil {
		return nil, err
	}
	if c.Port != 0 {
		if err := checkPort(ctx, c.Port); err != nil {
			return nil, err
		}
	}
	logFile, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, unwritable(c.Dir, err)
	}
	defer func() { _ = logFile.Close() }()
	for _, path := range []string{p.log, p.lock} { // for a later run without root
		if err := who.own(path); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it wasn't ready within %s", startLimit))
	defer cancel()
	if want == 0 {
		if err := initCluster(ctx, c, p, bin, who, logFile); err != nil {
			return nil, err
		}
	}
	if err := dropForeignPID(p); err != nil {
		return nil, err
	}
	server := &Server{config: c, paths: p, lock: held}
	if err := server.launch(ctx, bin, who, logFile, b); err != nil {
		return nil, err
	}
	if err := ensureDatabase(ctx, c, server.port); err != nil {
		server.stopping.Store(true)
		server.process.end(context.WithoutCancel(ctx))
		return nil, err
	}
	return server, nil
}

// launch starts the process and waits until it is ready, again if what was in
// the way goes away by itself.
func (s *Server) launch(ctx context.Context, bin string, who account, logFile *os.File, b bond) error {
	const portTries = 10
	for try := 1; ; try++ {
		err := s.launchOnce(ctx, bin, who, logFile, b)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errPortTaken) && s.config.Port == 0 && try < portTries:
			// Somebody took the free port between our look and the server's.
		case errors.Is(err, errStillDying):
			select {
			case <-time.After(poll):
			case <-ctx.Done():
				return err
			}
		default:
			return err
		}
		if err := logFile.Truncate(0); err != nil {
			return unwritable(s.config.Dir, err)
		}
	}
}

func (s *Server) launchOnce(ctx context.Context, bin string, who account, logFile *os.File, b bond) error {
	s.port = s.config.Port
	if s.port == 0 {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		s.port = port
	}
	cmd := command(who, logFile, filepath.Join(bin, program))
	name, folder, err := who.passData(cmd, s.paths.data)
	if err != nil {
		return err
	}
	if folder != nil {
		defer func() { _ = folder.Close() }()
	}
	cmd.Args = append(cmd.Args, "-D", name)
	for _, setting := range settings(s.config, s.port) {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	bind(cmd, b)
	if s.process, err = launch(cmd); err != nil {
		return fmt.Errorf("start PostgreSQL in %s: %w", s.config.Dir, err)
	}
	if err := s.awaitReady(ctx); err != nil {
		s.process.end(context.WithoutCancel(ctx))
		return err
	}
	return nil
}

func bind(cmd *exec.Cmd, b bond) {
	if b == attached {
		dieWithParent(cmd, syscall.SIGINT) // the fast shutdown: sessions are cut, data is written out
		return
	}
	// A session of its own (and with it a group), or the end of the terminal
	// would reach it.
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
}

// settings are passed on the command line, so that a cluster made by an older
// build runs with today's.
func settings(c Config, port int) []string {
	all := []string{
		"port=" + strconv.Itoa(port),
		"listen_addresses=" + loopback,
		"unix_socket_directories=", // their paths have a length limit, and nothing needs them
		"max_connections=" + maxConnections(c),
		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C",
		"logging_collector=off",
		"log_destination=stderr",
		// Two quiet servers on a developer's machine shouldn't reserve much.
		"shared_buffers=128MB",
		"max_wal_size=1GB",
	}
	if c.Fast {
		all = append(all, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	return all
}

// maxConnections is more for tests: as many run at once as there are cores,
// and each has pools that grow with the cores.
func maxConnections(c Config) string {
	if c.Fast {
		return "400"
	}
	return "100"
}

// awaitReady returns when the server says that it accepts connections.
func (s *Server) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		found, ok, err := readPostmaster(s.paths)
		if err != nil {
			return err
		}
		if ok && found.ready && found.pid == s.process.pid {
			return nil
		}
		select {
		case <-s.process.done:
			return s.failed()
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL in %s: %w%s", s.config.Dir, context.Cause(ctx), lastLines(s.paths.log))
		case <-ticker.C:
		}
	}
}

// failed makes the error of a server that ended before it was ready.
func (s *Server) failed() error {
	switch {
	case logHolds(s.paths.log, "Address already in use"):
		return portTaken(s.port)
	case logHolds(s.paths.log, "pre-existing shared memory block"):
		return fmt.Errorf("start PostgreSQL in %s: %w", s.config.Dir, errStillDying)
	}
	return fmt.Errorf("start PostgreSQL in %s: it ended at once (%s)%s", s.config.Dir, exitOf(s.process), lastLines(s.paths.log))
}

// checkPort says before anything is made that the port is taken.
func checkPort(ctx context.Context, port int) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return portTaken(port)
	}
	if err != nil {
		return fmt.Errorf("PostgreSQL can't listen on %s:%d: %w; choose another port", loopback, port, err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("close the listener that tried port %d: %w", port, err)
	}
	// A client that is told "localhost" tries IPv6 first, and would reach
	// whoever listens there.
	listener, err = config.Listen(ctx, "tcp6", net.JoinHostPort(loopback6, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return portTaken(port)
	}
	if err == nil {
		return listener.Close()
	}
	return nil // no IPv6 here
}

func portTaken(port int) error {
	return fmt.Errorf("%w: another program listens on port %d of the loopback address, where PostgreSQL should: stop it, or choose another port (`ss -ltnp` or `lsof -i :%d` shows which it is)", errPortTaken, port, port)
}

// dropForeignPID removes a postmaster.pid whose number belongs to another
// program by now; PostgreSQL would take that one for a server. If the number
// belongs to nobody, PostgreSQL clears it up, with more checks than we have.
func dropForeignPID(p paths) error {
	found, ok, err := readPostmaster(p)
	if err != nil || !ok || errors.Is(syscall.Kill(found.pid, 0), syscall.ESRCH) || serves(found.pid, p.data) {
		return err
	}
	if err := os.Remove(p.pidFile); err != nil {
		return fmt.Errorf("remove the stale postmaster.pid: %w", err)
	}
	return nil
}

// ensureDatabase checks that user and password are those of the cluster, and
// makes the database if it is absent.
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

// createDatabase runs the one statement that can't stand in queries/: it takes
// no parameters, and no database to check it against holds its result.
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
