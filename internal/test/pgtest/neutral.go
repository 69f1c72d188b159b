package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Neutral takes out of this process what a person's shell may have set and a
// session of a test would take over: libpq's variables, a scratch database, and a
// umask that hides folders from the account that PostgreSQL runs as under root.
// Of what Serve sets, it takes out where go links: testing makes its folders there too.
func Neutral() error {
	syscall.Umask(0o022)
	if served, _ := filepath.Match(folderPattern, filepath.Base(filepath.Dir(os.TempDir()))); served {
		if err := os.Unsetenv("GOTMPDIR"); err != nil {
			return fmt.Errorf("clear the environment of tests: %w", err)
		}
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		// Packages that run at once would meet in one scratch database.
		if strings.HasPrefix(name, "PG") || name == "ATLAS_DEV_URL" {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("clear the environment of tests: %w", err)
			}
		}
	}
	return nil
}
