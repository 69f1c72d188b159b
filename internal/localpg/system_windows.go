package localpg

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

const (
	lockAlone = iota
	lockShared
	unlock
)

// supported returns why this package can't run servers here: Windows has no locks that
// child processes inherit, and no signals by which PostgreSQL is stopped.
func supported() error {
	return errors.New("delfos doesn't run PostgreSQL servers of its own on Windows: " +
		"start PostgreSQL yourself, name its databases in SOURCE_DB_URL and TARGET_DB_URL, and run `delfos schema apply source target river`, " +
		"`delfos seed`, `delfos serve` and `delfos orchestrate`; or run `delfos demo` in WSL")
}

// No server starts here, so nothing calls the following.

func flock(*os.File, int) error      { return errors.ErrUnsupported }
func kill(int, syscall.Signal) error { return errors.ErrUnsupported }
func ownerOf(fs.FileInfo) account    { return account{} }
func (account) become(*exec.Cmd)     {}
func detach(*exec.Cmd)               {}
