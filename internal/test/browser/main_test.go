//go:build browser

package browser_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

const (
	root    = "../../.."
	program = root + "/bin/delfos"
)

// TestMain builds the program that the tests start, as `make build` does.
func TestMain(m *testing.M) {
	build := exec.Command("go", "build", "-buildvcs=false", "-o", "bin/delfos", ".")
	build.Dir, build.Stdout, build.Stderr = root, os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build delfos:", err)
		os.Exit(1)
	}
	pgtest.Main(m)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
