package localpg

import (
	"context"
	"errors"
	"fmt"
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
// to stop. One that runs already in that folder is left as it is, unless it has
// another port.
func StartDetached(ctx context.Context, c Config) (Detached, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Detached{}, err
	}
	if InUse(c.Dir) && holder(c.Dir) == background {
		pid, port, ready := readPostmaster(c.Dir)
		if ready && (c.Port == 0 || c.Port == port) {
			return Detached{PID: pid, Port: port, URL: c.url(port, c.Database), Already: true}, nil
		}
		if err := StopDetached(ctx, c.Dir); err != nil && !errors.Is(err, ErrNotRunning) {
			return Detached{}, err
		}
	}
	held, err := acquire(ctx, c.Dir)
	if err != nil {
		return Detached{}, err
	}
	server, err := start(ctx, c, held, false)
	if err != nil {
		held.release()
		return Detached{}, err
	}
	return Detached{PID: server.PID(), Port: server.port, URL: server.URL()}, held.leave()
}

// StopDetached stops the server that StartDetached started in dir, and returns
// when it is gone. If none runs there, the error is ErrNotRunning.
func StopDetached(ctx context.Context, dir string) error {
	c, err := Config{Dir: dir}.withDefaults()
	if err != nil {
		return err
	}
	pid, _, _ := readPostmaster(c.Dir)
	if pid == 0 || !InUse(c.Dir) {
		return fmt.Errorf("stop the PostgreSQL of %s: %w", c.Dir, ErrNotRunning)
	}
	if err := heldByAnother(c.Dir); err != nil && holder(c.Dir) != background {
		return err
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for _, step := range waysToStop() {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL of %s (process %d): %w", c.Dir, pid, err)
		}
		// Its sessions hold the lock as well.
		for deadline := time.Now().Add(step.limit); time.Now().Before(deadline); {
			if !InUse(c.Dir) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("stop the PostgreSQL of %s (process %d): %w", c.Dir, pid, ctx.Err())
			case <-ticker.C:
			}
		}
	}
	return fmt.Errorf("the PostgreSQL of %s (process %d) doesn't end, not even by SIGKILL", c.Dir, pid)
}
