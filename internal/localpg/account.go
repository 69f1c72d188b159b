package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// account is who the server runs as. PostgreSQL refuses to run as root, so
// root hands it to an unprivileged account; everyone else runs it themselves.
type account struct {
	name     string
	uid, gid uint32
	other    bool // not the account of this process
}

// accountFor picks the account for a cluster: as root, the owner of the data if
// there is any, else postgres, else nobody.
func accountFor(data string) (account, error) {
	info, err := os.Stat(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return account{}, fmt.Errorf("look at PostgreSQL's data in %s: %w", data, err)
	}
	var owner *syscall.Stat_t
	if err == nil {
		owner, _ = info.Sys().(*syscall.Stat_t)
	}
	if self := os.Geteuid(); self != 0 {
		if owner != nil && int(owner.Uid) != self {
			return account{}, fmt.Errorf("PostgreSQL's data in %s belongs to user %s: run as that user or as root, or remove the folder", data, userName(owner.Uid))
		}
		return account{name: userName(uint32(self)), uid: uint32(self), gid: uint32(os.Getegid())}, nil
	}
	if owner != nil && owner.Uid != 0 {
		return account{name: userName(owner.Uid), uid: owner.Uid, gid: owner.Gid, other: true}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return account{name: name, uid: uint32(uid), gid: uint32(gid), other: true}, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody: run this as an ordinary user")
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return id
}

func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// canReach says whether the account may go through every folder above path and
// enter or run path itself. It goes by the mode bits, so it may say no too often.
func (a account) canReach(path string) bool {
	if !a.other {
		return true
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		const search = 0o1 // to run, of a file
		mode := info.Mode().Perm()
		switch {
		case owner.Uid == a.uid:
			mode >>= 6
		case owner.Gid == a.gid:
			mode >>= 3
		}
		if mode&search == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

// passData adds the folder of the cluster to cmd and returns the name that cmd
// knows it by.
//
// A folder that the account can't reach by its path (a clone under /root) is
// opened here and passed as a descriptor. That needs no privilege in the
// server: with a capability, whoever has the database's password could read
// and write any file of the machine. The caller closes the returned file once
// cmd has started.
func (a account) passData(cmd *exec.Cmd, data string) (string, *os.File, error) {
	if a.canReach(data) {
		return data, nil, nil
	}
	if runtime.GOOS != "linux" {
		return "", nil, fmt.Errorf("user %s, who PostgreSQL runs as under root, can't reach %s: run this as an ordinary user, or put the data where everyone may go", a.name, data)
	}
	folder, err := os.Open(data)
	if err != nil {
		return "", nil, fmt.Errorf("open PostgreSQL's data: %w", err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, folder)
	const firstExtra = 3 // after standard input, output and error
	return fmt.Sprintf("/proc/self/fd/%d", firstExtra+len(cmd.ExtraFiles)-1), folder, nil
}
