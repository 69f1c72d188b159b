package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// ErrNotRunning is what StopDetached returns when there is nothing to stop.
var ErrNotRunning = errors.New("not running")

// Detached is a server that runs in the background.
type Detached struct {
	PID, Port int
	URL       string
	Already   bool // it ran before this call
}

// StartDetached starts a server that outlives this process, for StopDetached
// to stop. One that runs already in that folder is left as it is.
func StartDetached(ctx context.Context, c Config) (Detached, error) {
	c, p, held, err := prepare(c)
	if err != nil {
		return Detached{}, err
	}
	defer held.release()
	found, running, err := serving(p)
	if err != nil {
		return Detached{}, err
	}
	if running && inBackground(p) && (c.Port == 0 || c.Port == found.port) {
		return Detached{PID: found.pid, Port: found.port, URL: c.url(found.port, c.Database), Already: true}, nil
	}
	if running {
		// One on another port, or one that a killed process left behind.
		if err := stopServing(ctx, p, found.pid); err != nil {
			return Detached{}, err
		}
	}
	// Before the start: killed in its middle, it still counts as meant to stay.
	if err := os.WriteFile(p.background, nil, 0o600); err != nil {
		return Detached{}, unwritable(c.Dir, err)
	}
	server, err := launchServer(ctx, c, p, held, detached)
	if err != nil {
		_ = os.Remove(p.background)
		return Detached{}, err
	}
	return Detached{PID: server.PID(), Port: server.port, URL: server.URL()}, nil
}

// StopDetached stops the server that StartDetached started in dir, and returns
// when it is gone. If none runs there, the error is ErrNotRunning.
func StopDetached(ctx context.Context, dir string) error {
	c, err := Config{Dir: dir}.withDefaults()
	if err != nil {
		return err
	}
	p := pathsOf(c.Dir)
	if _, err := os.Stat(p.data); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("stop the PostgreSQL of %s: %w", c.Dir, ErrNotRunning)
	}
	held, err := acquire(p)
	if err != nil {
		return err
	}
	defer held.release()
	found, running, err := serving(p)
	if err != nil {
		return err
	}
	if running {
		err = stopServing(ctx, p, found.pid)
	} else {
		err = fmt.Errorf("stop the PostgreSQL of %s: %w", c.Dir, ErrNotRunning)
	}
	if err == nil || errors.Is(err, ErrNotRunning) {
		_ = os.Remove(p.background)
	}
	return err
}

func inBackground(p paths) bool {
	_, err := os.Stat(p.background)
	return err == nil
}

// stopServing stops a server that is no child of this process.
func stopServing(ctx context.Context, p paths, pid int) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{
		{syscall.SIGINT, fastLimit},
		{syscall.SIGQUIT, immediateLimit},
		{syscall.SIGKILL, immediateLimit},
	} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL of %s (process %d): %w", p.dir, pid, err)
		}
		for deadline := time.Now().Add(step.limit); time.Now().Before(deadline); {
			if !serves(pid, p.data) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("stop the PostgreSQL of %s (process %d): %w", p.dir, pid, ctx.Err())
			case <-ticker.C:
			}
		}
	}
	return fmt.Errorf("the PostgreSQL of %s (process %d) doesn't end, not even by SIGKILL", p.dir, pid)
}
