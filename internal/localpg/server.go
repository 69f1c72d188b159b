// Package localpg runs a PostgreSQL server as a child process, with the server
// programs that are installed or, if there are none, with programs that it fetches.
//
// The server listens on 127.0.0.1 alone, asks for the configured password,
// and works in UTC and UTF-8. Everything it writes is under Config.Dir:
//
//	data/         the database cluster
//	server.log    what initdb and the server said since the last start
//	lock          held by each process that uses the folder, the server's included
//	roles         which statements of Config.Roles were run
//	init-*/       a new cluster that is not complete; it becomes data/ then
//
// A server goes through these states:
//
//	Start ──> serving ──Stop──> gone
//	  │          └─ the process ends by itself ──> gone (Done, Err)
//	  └─ fails or is cancelled ──> gone
//
// On Linux a server from Start never outlives its process: the kernel stops it
// when the process dies, also by kill -9. Elsewhere a killed process leaves the
// server running, and StopDetached ends it, as it ends one from StartDetached.
//
//	server.go    the configuration, and a server from start to stop
//	cluster.go   its data: making it, and what the server says of itself
//	process.go   the server's programs as child processes, and their account
//	lock.go      who uses the folder; servers that outlive their process
//	programs.go  finding the programs, and fetching them
//	system_*.go  what each operating system has for the above; Windows has none of it
package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// DefaultUser is the role of a cluster for which none is named, its password and database.
const DefaultUser = "delfos"

const (
	loopback   = "127.0.0.1"
	startLimit = 60 * time.Second // recovery after a crash included
	poll       = 10 * time.Millisecond

	// How long Stop waits for each way. Together they stay below the five seconds that Ctrl-C has.
	fastLimit      = 3 * time.Second
	immediateLimit = time.Second
)

// Config says which server to run and where.
type Config struct {
	Dir      string // folder of the cluster and its log; made if absent
	Port     int    // TCP port on 127.0.0.1; 0 takes a free one
	User     string // role of a new cluster; "delfos" if empty
	Password string // its password; "delfos" if empty
	Database string // made if absent; "delfos" if empty

	// Superuser makes User one, for tests. Otherwise User may create databases and nothing more: by a
	// superuser's password, well known here, everybody could run programs as the server's account.
	Superuser bool

	// Roles are statements of the server's superuser, which nobody can log in as. They run before the
	// server first starts, a line each, and anew when they change; one that fails does not stop the
	// next.
	Roles []string

	// BinDir is the folder of postgres and initdb. If empty, they are searched for, else fetched.
	BinDir string
	// Search lists folders to look in, as glob patterns; nil: PATH and where packages install to.
	Search []string
	// Repository is the Maven repository to fetch the programs from, Maven Central if empty.
	Repository string
	// CacheDir keeps the fetched programs; the user's cache folder if empty.
	CacheDir string

	// Fast gives up safety against a crash of the machine for speed, for tests.
	Fast bool

	Log *slog.Logger // discards if nil
}

// withDefaults fills what was left empty and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if err := supported(); err != nil {
		return c, err
	}
	if c.Dir == "" {
		return c, errors.New("start PostgreSQL: Dir is empty, it has to name the folder of the data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("start PostgreSQL in %s: %w", c.Dir, err)
	}
	c.Dir = dir
	const maxPort = 65535
	if c.Port < 0 || c.Port > maxPort {
		return c, fmt.Errorf("start PostgreSQL: Port is %d, allowed are 1 to %d, and 0 for a free one", c.Port, maxPort)
	}
	for name, value := range map[string]*string{"User": &c.User, "Password": &c.Password, "Database": &c.Database} {
		if *value == "" {
			*value = DefaultUser
		}
		if strings.ContainsAny(*value, "\x00\r\n") {
			return c, fmt.Errorf("start PostgreSQL: %s holds a line break or a zero byte, neither is allowed", name)
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (c Config) url(port int, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(c.User, c.Password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// settings are passed on the command line, so that an older build's cluster runs with today's.
func (c Config) settings(port int) []string {
	all := []string{
		"port=" + strconv.Itoa(port),
		"listen_addresses=" + loopback,
		"unix_socket_directories=", // their paths have a length limit, and nothing needs them
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
		// As many tests run at once as there are cores, each with pools that grow with the cores.
		return append(all, "max_connections=400", "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	return append(all, "max_connections=100")
}

// Server is a running PostgreSQL server that belongs to this process.
type Server struct {
	cluster  *cluster
	port     int
	process  *process
	stopping atomic.Bool
	stopOnce sync.Once
}

// Start starts a server and returns when the database accepts connections. If it fails or ctx ends
// before, nothing is left running. Its errors are sentences for the user that name the way out.
func Start(ctx context.Context, c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return start(ctx, c, true)
}

// start makes the cluster if there is none. An attached server ends with this process.
func start(ctx context.Context, c Config, attached bool) (_ *Server, err error) {
	held, err := acquire(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			held.release()
		}
	}()
	if c.Port != 0 {
		if err := CheckPort(ctx, c.Port); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it wasn't ready within %s", startLimit))
	defer cancel()
	cluster, err := open(ctx, c, held)
	if err != nil {
		return nil, err
	}
	defer func() { _ = cluster.log.Close() }()
	s := &Server{cluster: cluster}
	if err := s.launch(ctx, attached); err != nil {
		return nil, err
	}
	if err := ensureDatabase(ctx, c, s.port); err != nil {
		s.process.end(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// launch starts the process and waits until it is ready, by another port if a free one was taken.
func (s *Server) launch(ctx context.Context, attached bool) error {
	const tries = 5
	for try := 1; ; try++ {
		s.port = s.cluster.Port
		if s.port == 0 {
			var err error
			if s.port, err = freePort(ctx); err != nil {
				return err
			}
		}
		process, err := s.cluster.serve(s.port, attached) //nolint:contextcheck // It outlives the call.
		if err != nil {
			return fmt.Errorf("start PostgreSQL in %s: %w", s.cluster.Dir, err)
		}
		s.process = process
		if err = s.awaitReady(ctx); err == nil {
			return nil
		}
		ended := process.ended()
		process.end(context.WithoutCancel(ctx))
		if s.cluster.Port != 0 || !ended || try == tries {
			return err
		}
	}
}

// awaitReady returns when the server says that it accepts connections.
func (s *Server) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if pid, _, ready := readPostmaster(s.cluster.Dir); ready && pid == s.process.cmd.Process.Pid {
			return nil
		}
		select {
		case <-s.process.done:
			return fmt.Errorf("start PostgreSQL in %s: it ended at once (%s)%s", s.cluster.Dir, s.process.cmd.ProcessState, lastLines(s.cluster.Dir))
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL in %s: %w%s", s.cluster.Dir, context.Cause(ctx), lastLines(s.cluster.Dir))
		case <-ticker.C:
		}
	}
}

// URL is the address of the configured database, with user and password.
func (s *Server) URL() string { return s.cluster.url(s.port, s.cluster.Database) }

// Port is the TCP port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// PID is the number of the server's process.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err says why the server ended by itself; nil while it runs and after Stop.
func (s *Server) Err() error {
	if !s.process.ended() || s.stopping.Load() {
		return nil
	}
	return fmt.Errorf("the PostgreSQL of %s ended by itself (%s)%s", s.cluster.Dir, s.process.cmd.ProcessState, lastLines(s.cluster.Dir))
}

// Stop ends the server and returns when it is gone: sessions are cut and the data is written out,
// within three seconds. After that, or when ctx ends, it is stopped at once, and recovers at its next
// start. The error is always nil.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		if !s.process.ended() { // otherwise it ended by itself, as Err says
			s.stopping.Store(true)
			s.process.end(ctx)
		}
		s.cluster.lock.release()
	})
	<-s.process.done
	return nil
}

// CheckPort returns an error if another program listens on a port of the loopback address.
func CheckPort(ctx context.Context, port int) error {
	var config net.ListenConfig
	// A client that connects to localhost tries IPv6 first.
	for network, host := range map[string]string{"tcp4": loopback, "tcp6": "::1"} {
		listener, err := config.Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			_ = listener.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("port %d is taken: stop the program that listens there (`ss -ltnp` or `lsof -i :%d` shows which it is) or choose another port", port, port)
		case network == "tcp4": // there may be no IPv6
			return fmt.Errorf("PostgreSQL can't listen on %s:%d: %w; choose another port", loopback, port, err)
		}
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, err := netip.ParseAddrPort(listener.Addr().String())
	return int(address.Port()), err
}
