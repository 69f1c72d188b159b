//go:build !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
)

// serves says whether pid is a PostgreSQL server of that data folder, by its
// command line: launchServer always passes the folder in full.
func serves(pid int, data string) bool {
	line, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(line), "postgres") && strings.Contains(string(line), data)
}
