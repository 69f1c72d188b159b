package localpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// process is a child that is running or has ended.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended and been reaped
	err  error         // what Wait said; read it after done
}

// launch starts cmd and waits for its end in the background.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the thread that started the
		// child ends, not the process. So this thread is kept for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// signal sends sig to the process, if it is still there.
func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done: // reaped: the number may belong to another process by now
	default:
		_ = syscall.Kill(p.pid, sig)
	}
}

// run runs cmd to its end. If ctx ends first, cmd and what it started are killed.
func run(ctx context.Context, cmd *exec.Cmd) error {
	p, err := launch(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // its whole group
		<-p.done
		return ctx.Err()
	}
}

// command builds a call of one of the server's programs, in a process group of
// its own, so that Ctrl-C on a terminal doesn't reach the server before us.
func command(who account, logFile *os.File, name string, args ...string) *exec.Cmd {
	//nolint:noctx // A context would kill the server, which is to be asked to leave; run sees to initdb.
	cmd := exec.Command(name, args...)
	// "/" because our working folder may be closed to the server's account.
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who.credential()}
	return cmd
}

// environment is ours without what would change the server's behaviour.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "LANG" || name == "TZ"
	})
	// The messages have to be in English for us to read them.
	return append(env, "LC_ALL=C", "TZ=UTC")
}
