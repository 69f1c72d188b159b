package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// background is the content of the lock's file where the server outlives the process that started it;
// else it is the number of that process.
const background = "background"

// lock marks a folder as in use. Every process that we start for the folder inherits it, a server's
// sessions too. The kernel frees the lock when the last of them has ended.
type lock struct{ *os.File }

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// acquire makes and locks the folder. It waits for a killed process's server; a live one it names.
func acquire(ctx context.Context, dir string) (*lock, error) {
	//nolint:gosec // The server's account has to come through; the data in it is closed.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unwritable(dir, err)
	}
	//nolint:gosec // Whoever finds the folder in use may read by whom.
	file, err := os.OpenFile(lockFile(dir), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	held := &lock{file}
	if err = held.wait(ctx, dir); err == nil {
		err = held.write(strconv.Itoa(os.Getpid()))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return held, nil
}

func (l *lock) wait(ctx context.Context, dir string) error {
	deadline := time.Now().Add(fastLimit + immediateLimit)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		err := flock(l.File, lockAlone)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", l.Name(), err)
		}
		if err := heldByAnother(dir); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is in use by a PostgreSQL that a killed process left behind: stop it with `delfos postgres stop`, or choose another folder", dir)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", l.Name(), context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func (l *lock) write(text string) error {
	err := l.Truncate(0)
	if err == nil {
		_, err = l.WriteAt([]byte(text+"\n"), 0)
	}
	if err != nil {
		return unwritable(filepath.Dir(l.Name()), err)
	}
	return nil
}

// release frees the lock explicitly: a process that is just being started has the file open too.
func (l *lock) release() {
	_ = flock(l.File, unlock)
	_ = l.Close()
}

// leave hands the lock to the server, which inherited it.
func (l *lock) leave() error { return errors.Join(l.write(background), l.Close()) }

func holder(dir string) string {
	text, _ := os.ReadFile(lockFile(dir)) // nobody, if there is none
	return strings.TrimSpace(string(text))
}

// heldByAnother is the error that names who uses a locked folder; nil if that process is dead.
func heldByAnother(dir string) error {
	name := holder(dir)
	if name == background {
		pid, port, _ := readPostmaster(dir)
		return fmt.Errorf("the PostgreSQL of %s runs in the background (process %d, port %d): stop it with `delfos postgres stop`, or choose another folder", dir, pid, port)
	}
	if pid, err := strconv.Atoi(name); err != nil || errors.Is(kill(pid, 0), syscall.ESRCH) {
		return nil //nolint:nilerr // An empty file names nobody.
	}
	return fmt.Errorf("%s is in use by process %s: end that one first, or choose another folder", dir, name)
}

// InUse reports whether a process has, starts or stops a server in the folder.
func InUse(dir string) bool {
	file, err := os.Open(lockFile(dir))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	if errors.Is(flock(file, lockShared), syscall.EWOULDBLOCK) {
		return true
	}
	(&lock{file}).release()
	return false
}

func unwritable(dir string, err error) error {
	return fmt.Errorf("can't write PostgreSQL's data to %s: %w; make the folder writable, or choose another", dir, err)
}

// ErrNotRunning is what StopDetached returns when there is nothing to stop.
var ErrNotRunning = errors.New("not running")

// Detached is a server that runs in the background.
type Detached struct {
	PID, Port int
	URL       string
	Already   bool // it ran before this call
}

// StartDetached starts a server that outlives this process, for StopDetached to stop. One that runs
// already in that folder is left as it is, unless it has another port.
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
	server, err := start(ctx, c, false)
	if err != nil {
		return Detached{}, err
	}
	return Detached{PID: server.PID(), Port: server.port, URL: server.URL()}, server.cluster.lock.leave()
}

// StopDetached stops the server that StartDetached started in dir, or returns ErrNotRunning.
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
		if err := kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
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
