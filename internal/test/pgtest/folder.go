package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/delfos/delfos/internal/localpg"
)

const folderPattern = "delfos-test-*"

// makeFolder makes the folder of a test server, and removes those of killed
// test binaries.
func makeFolder() (string, error) {
	base := os.TempDir()
	// Making a database makes 300 files: ten times faster in memory, where
	// there is plenty. A TMPDIR that somebody set counts more.
	if os.Getenv("TMPDIR") == "" && roomy(memory) {
		base = memory
	}
	if err := sweep(base); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, folderPattern)
	if err != nil {
		return "", fmt.Errorf("make a folder for the test server: %w", err)
	}
	return dir, nil
}

func sweep(base string) error {
	// A younger one may be about to be used.
	const age = time.Minute
	left, err := filepath.Glob(filepath.Join(base, folderPattern))
	if err != nil {
		return fmt.Errorf("look for folders of killed tests in %s: %w", base, err)
	}
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < age || localpg.InUse(dir) {
			continue
		}
		_ = os.RemoveAll(dir) // it may be another user's
	}
	return nil
}
