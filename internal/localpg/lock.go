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

// background stands in the lock's file where the server is to outlive the process
// that started it. Otherwise that process's number does.
const background = "background"

// lock marks a folder as in use. Every process that we start for the folder
// inherits it, and so do the sessions of a server: the kernel frees the lock when
// the last of them has ended, however they end.
type lock struct{ *os.File }

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// acquire makes the folder if need be and takes its lock. It waits for what is
// left of a killed process to end; for a live one it doesn't, and says who it is.
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
		err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
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

// release frees the lock by name: closing the file would not, as long as a
// process that is just being started has it open too.
func (l *lock) release() {
	_ = syscall.Flock(int(l.Fd()), syscall.LOCK_UN)
	_ = l.Close()
}

// leave hands the lock to the server, which inherited it.
func (l *lock) leave() error { return errors.Join(l.write(background), l.Close()) }

// holder is what stands in the lock's file.
func holder(dir string) string {
	text, _ := os.ReadFile(lockFile(dir)) // nobody, if there is none
	return strings.TrimSpace(string(text))
}

// heldByAnother says who uses a locked folder; it is nil if that process is dead.
func heldByAnother(dir string) error {
	name := holder(dir)
	if name == background {
		pid, port, _ := readPostmaster(dir)
		return fmt.Errorf("the PostgreSQL of %s runs in the background (process %d, port %d): stop it with `delfos postgres stop`, or choose another folder", dir, pid, port)
	}
	if pid, err := strconv.Atoi(name); err != nil || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil //nolint:nilerr // An empty file names nobody.
	}
	return fmt.Errorf("%s is in use by process %s: end that one first, or choose another folder", dir, name)
}

// InUse reports whether a process uses the folder: one that has, starts or stops
// a server there, or the server.
func InUse(dir string) bool {
	file, err := os.Open(lockFile(dir))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	if errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		return true
	}
	(&lock{file}).release()
	return false
}

func unwritable(dir string, err error) error {
	return fmt.Errorf("can't write PostgreSQL's data to %s: %w; make the folder writable, or choose another", dir, err)
}
