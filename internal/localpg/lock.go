package localpg

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lock marks a folder as in use by this process. The kernel frees it when the
// process ends, however it ends.
type lock struct{ file *os.File }

// acquire takes the lock of the folder, or says who holds it.
func acquire(p paths) (*lock, error) {
	//nolint:gosec // Whoever finds the folder in use may read by whom.
	file, err := os.OpenFile(p.lock, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, unwritable(p.dir, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = file.Close()
		return nil, fmt.Errorf("%s is in use by process %s: end that one first, or choose another folder", p.dir, holder(p))
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", p.lock, err)
	}
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		unlock(file)
		return nil, unwritable(p.dir, err)
	}
	return &lock{file}, nil
}

// release frees the lock by name: closing the file would not, as long as a
// process that is just being started has it open too.
func (l *lock) release() { unlock(l.file) }

func unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

// holder is the number of the process that holds the lock.
func holder(p paths) string {
	text, err := os.ReadFile(p.lock)
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "(unknown)"
}

func unwritable(dir string, err error) error {
	return fmt.Errorf("can't write PostgreSQL's data to %s: %w; make the folder writable, or choose another", dir, err)
}

// InUse says whether a process has a server from Start in that folder, or is
// starting or stopping one there.
func InUse(dir string) bool {
	file, err := os.Open(pathsOf(dir).lock)
	if err != nil {
		return false
	}
	defer unlock(file)
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
