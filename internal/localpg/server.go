package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startLimit = 60 * time.Second // recovery after a crash included
	poll       = 10 * time.Millisecond

	// How long Stop waits for each way of asking. Together they stay below the
	// five seconds in which Ctrl-C has to end everything.
	fastLimit      = 3 * time.Second
	immediateLimit = time.Second
)

// Server is a running PostgreSQL server that belongs to this process.
type Server struct {
	config   Config
	paths    paths
	port     int
	process  *process
	lock     *lock
	stopping atomic.Bool
	stopOnce sync.Once
}

// Start starts a server and returns when it accepts connections and the
// database exists. If it fails or ctx ends before, nothing is left running.
// Its errors are sentences for the user that name the way out.
func Start(ctx context.Context, c Config) (*Server, error) {
	c, p, held, err := prepare(c)
	if err != nil {
		return nil, err
	}
	server, err := start(ctx, c, p, held)
	if err != nil {
		held.release()
		return nil, err
	}
	return server, nil
}

// prepare makes the folder and takes its lock, which the caller releases.
func prepare(c Config) (Config, paths, *lock, error) {
	c, err := c.withDefaults()
	if err != nil {
		return c, paths{}, nil, err
	}
	p := pathsOf(c.Dir)
	//nolint:gosec // The server's account has to come through; the data in it is closed.
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return c, p, nil, unwritable(c.Dir, err)
	}
	held, err := acquire(p)
	return c, p, held, err
}

func start(ctx context.Context, c Config, p paths, held *lock) (*Server, error) {
	found, running, err := serving(p)
	if err != nil {
		return nil, err
	}
	if running {
		if inBackground(p) {
			return nil, fmt.Errorf("the PostgreSQL of %s runs in the background (process %d, port %d): stop it with `delfos postgres stop`, or choose another folder", c.Dir, found.pid, found.port)
		}
		// We hold the lock, so whoever started it is dead.
		c.Log.WarnContext(ctx, "stopping the PostgreSQL that a killed process left behind", "folder", c.Dir, "pid", found.pid)
		if err := stopServing(ctx, p, found.pid); err != nil {
			return nil, err
		}
	}
	if err := os.Remove(p.background); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, unwritable(c.Dir, err)
	}
	return launchServer(ctx, c, p, held, attached)
}

// URL is the address of the configured database, with user and password.
func (s *Server) URL() string { return s.config.url(s.port, s.config.Database) }

// Port is the TCP port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// PID is the number of the server's process.
func (s *Server) PID() int { return s.process.pid }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err says why the server ended by itself, with the end of its log. It is nil
// while the server runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.process.done:
	default:
		return nil
	}
	if s.stopping.Load() {
		return nil
	}
	return fmt.Errorf("the PostgreSQL of %s ended by itself (%s)%s", s.config.Dir, exitOf(s.process), lastLines(s.paths.log))
}

// Stop ends the server and returns when it is gone: sessions are cut and the
// data is written out, within three seconds. After that, or when ctx ends, the
// server is made to leave at once, and recovers at its next start. So don't
// pass a ctx that has ended already. The error is nil, whichever way it went.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		select {
		case <-s.process.done: // it ended by itself, and Err says so
		default:
			s.stopping.Store(true)
			s.process.end(ctx)
		}
		s.lock.release()
	})
	<-s.process.done
	return nil
}

// end makes a server's process leave, in growing earnest.
func (p *process) end(ctx context.Context) {
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{
		{syscall.SIGINT, fastLimit},       // PostgreSQL's fast shutdown
		{syscall.SIGQUIT, immediateLimit}, // its immediate shutdown
	} {
		p.signal(step.signal)
		patience := time.NewTimer(step.limit)
		// The last polite step isn't shortened by ctx: killed, a server may
		// leave sessions behind for a moment.
		hurry := ctx.Done()
		if step.signal == syscall.SIGQUIT {
			hurry = nil
		}
		select {
		case <-p.done:
			patience.Stop()
			return
		case <-hurry:
		case <-patience.C:
		}
		patience.Stop()
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

func exitOf(p *process) string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}
