package localpg

import (
	"syscall"
	"testing"
)

// A process that is being started has all files of its parent open for a moment.
func TestReleaseWhileAProcessIsStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held, err := acquire(pathsOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(held.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(child) }()
	if !InUse(dir) {
		t.Error("a locked folder is not in use")
	}
	held.release()
	if InUse(dir) {
		t.Error("a released folder is in use")
	}
	again, err := acquire(pathsOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	again.release()
}
