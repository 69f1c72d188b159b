//go:build unix

package localpg

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

const (
	lockAlone  = syscall.LOCK_EX | syscall.LOCK_NB
	lockShared = syscall.LOCK_SH | syscall.LOCK_NB
	unlock     = syscall.LOCK_UN
)

func flock(file *os.File, how int) error { return syscall.Flock(int(file.Fd()), how) }

func supported() error { return nil }

// kill sends a signal to a process, or to the group -pid.
func kill(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

func ownerOf(info fs.FileInfo) account {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}
	}
	return account{uid: stat.Uid, gid: stat.Gid, other: true}
}

// become has a program run as the account, in a process group of its own, so that
// Ctrl-C on a terminal doesn't reach the server before us.
func (a account) become(cmd *exec.Cmd) {
	cmd.Dir = "/" // our working folder may be closed to the account
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// detach puts a program in a session of its own, so that the end of the terminal does not reach it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
}
