package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// serves says whether pid is a PostgreSQL server of that data folder. A server
// works in its data folder; a process that has ended has none.
func serves(pid int, data string) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || !strings.HasPrefix(string(name), "postgres") && !strings.HasPrefix(string(name), "postmaster") {
		return false
	}
	cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if errors.Is(err, fs.ErrPermission) {
		return startedOn(pid, data)
	}
	if err != nil {
		return false
	}
	folder, err := os.Stat(data)
	return err == nil && os.SameFile(cwd, folder)
}

// startedOn says by its arguments whether a server is that of the folder: where
// root may not look at the working folder of another account's process (in a
// container without CAP_SYS_PTRACE), everybody may still read these. A folder
// that was passed as a descriptor is taken on trust.
func startedOn(pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	i := slices.Index(args, "-D") + 1
	return i > 0 && i < len(args) && (args[i] == data || strings.HasPrefix(args[i], "/proc/self/fd/"))
}
