package localpg

import (
	"fmt"
	"os"
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
	if err != nil {
		return false
	}
	folder, err := os.Stat(data)
	return err == nil && os.SameFile(cwd, folder)
}
