package localpg

import (
	"fmt"
	"os"
	"strings"
)

// lastLines is the end of the log, to stand after an error; empty if there is none.
func lastLines(path string) string {
	const most = 8
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return fmt.Sprintf("\nthe last lines of %s:\n  %s", path, strings.Join(lines[max(0, len(lines)-most):], "\n  "))
}

// logHolds says whether the server wrote text since its last start.
func logHolds(path, text string) bool {
	log, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(log), text)
}
