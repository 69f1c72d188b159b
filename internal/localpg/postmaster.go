package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// postmaster is what the server says about itself in postmaster.pid.
type postmaster struct {
	pid, port int
	ready     bool
}

// readPostmaster reads postmaster.pid; ok is false if there is none, or none
// that is complete enough to name a process.
func readPostmaster(p paths) (found postmaster, ok bool, err error) {
	text, err := os.ReadFile(p.pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return found, false, nil
	}
	if err != nil {
		return found, false, fmt.Errorf("read who serves PostgreSQL's data: %w", err)
	}
	// One value a line; see PostgreSQL's src/include/utils/pidfile.h.
	const pidLine, portLine, statusLine = 0, 3, 7
	lines := strings.Split(string(text), "\n")
	// A file that is being written may be empty yet: that makes it 0.
	if found.pid, _ = strconv.Atoi(strings.TrimSpace(lines[pidLine])); found.pid <= 0 {
		return found, false, nil
	}
	if len(lines) > portLine {
		found.port, _ = strconv.Atoi(strings.TrimSpace(lines[portLine]))
	}
	if len(lines) > statusLine {
		found.ready = strings.TrimSpace(lines[statusLine]) == "ready"
	}
	return found, true, nil
}

// serving returns the live server of the folder. Its number alone proves
// nothing: after a crash it may belong to any process.
func serving(p paths) (found postmaster, ok bool, err error) {
	found, ok, err = readPostmaster(p)
	if err != nil || !ok {
		return found, false, err
	}
	return found, serves(found.pid, p.data), nil
}
