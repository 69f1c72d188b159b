package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is the user that the server runs as: an unprivileged one under root, which it refuses.
type account struct {
	uid, gid uint32
	other    bool // not the account of this process
}

// accountFor picks the account: as root, the owner of the data if there is any, else postgres or
// nobody.
func accountFor(data string) (account, error) {
	info, err := os.Stat(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return account{}, fmt.Errorf("look at PostgreSQL's data in %s: %w", data, err)
	}
	var owner account
	if err == nil {
		owner = ownerOf(info)
	}
	switch self := os.Geteuid(); {
	case self != 0 && owner.other && int(owner.uid) != self:
		return account{}, fmt.Errorf("PostgreSQL's data in %s belongs to user %d: run as that user or as root, or remove the folder", data, owner.uid)
	case self != 0:
		return account{}, nil
	case owner.other && owner.uid != 0:
		return owner, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return account{uid: uint32(uid), gid: uint32(gid), other: true}, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody: run this as an ordinary user")
}

func (a account) own(paths ...string) error {
	for _, path := range paths {
		if !a.other {
			return nil
		}
		if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
			return fmt.Errorf("give %s to user %d: %w", path, a.uid, err)
		}
	}
	return nil
}

// command builds a call of one of the server's programs on a data folder, which inherits the folder's
// lock. If ctx ends, it is killed with what it started.
//
// Root's folder may be closed to the account (a clone under /root), so the program inherits it opened,
// and launch closes our end. With a capability instead, whoever has the database's password could read
// and write any file of the machine.
func (c *cluster) command(ctx context.Context, data, name string, args ...string) (*exec.Cmd, error) {
	folder, err := os.Open(data)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's data: %w", err)
	}
	if c.who.other && runtime.GOOS == "linux" {
		data = "/proc/self/fd/4"
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), append(args, "-D", data)...)
	c.who.become(cmd)
	cmd.Cancel = func() error { return kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.ExtraFiles = []*os.File{c.lock.File, folder} // 3 and 4
	cmd.Stdout, cmd.Stderr = c.log, c.log
	// Our environment without what would change the server's behaviour.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "LANG" || name == "TZ"
	}), "LC_ALL=C", "TZ=UTC")
	return cmd, nil
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and been reaped
	err  error         // the result of Wait; read it after done
}

func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	err := <-started
	_ = cmd.ExtraFiles[1].Close() // the folder; the lock stays open
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

type wayToStop struct {
	signal syscall.Signal
	limit  time.Duration
}

// waysToStop are PostgreSQL's fast and its immediate shutdown, and the last resort.
func waysToStop() []wayToStop {
	return []wayToStop{{syscall.SIGINT, fastLimit}, {syscall.SIGQUIT, immediateLimit}, {syscall.SIGKILL, immediateLimit}}
}

// end stops a server's process, by one way after the other; by the second at once if ctx ends.
func (p *process) end(ctx context.Context) {
	hurry := ctx.Done()
	for _, step := range waysToStop() {
		if p.ended() {
			return // its number may belong to another process by now
		}
		_ = kill(p.cmd.Process.Pid, step.signal)
		select {
		case <-p.done:
		case <-hurry:
			// The later ways get their time: a killed server may leave sessions behind.
			hurry = nil
		case <-time.After(step.limit):
			hurry = nil
		}
	}
	<-p.done
}
