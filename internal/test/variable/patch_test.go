package variable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root  = "../../.."
	patch = "testdata/variable.patch"
)

// contracts are the only files that the patch may touch.
func contracts() []string { return []string{"openapi.yaml", "schema/", "queries/"} }

// The patch of check-variable touches contracts alone, and still applies: who changes a
// contract next to it learns so here, without the minutes of the whole way.
func TestPatch(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, patch))
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for line := range strings.Lines(string(text)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "+++ b/")
		if !ok {
			continue
		}
		files++
		if !slices.ContainsFunc(contracts(), func(contract string) bool { return strings.HasPrefix(path, contract) }) || strings.HasSuffix(path, ".go") {
			t.Errorf("%s touches %s", patch, path)
		}
	}
	if files == 0 {
		t.Errorf("%s touches nothing", patch)
	}

	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	apply := exec.CommandContext(t.Context(), "git", "apply", "--check", "-C1", patch)
	apply.Dir = root
	if out, err := apply.CombinedOutput(); err != nil {
		t.Errorf("git apply --check -C1 %s: %v\n%s", patch, err, out)
	}
}
