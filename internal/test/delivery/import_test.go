package delivery_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What is generated imports of ours the timestamp type, what rows and the checks of
// requests rest on, and the models and enumerations that are generated: the last of
// the arrows that .golangci.yaml keeps.
func TestGeneratedImports(t *testing.T) {
	t.Parallel()
	const ours = "github.com/delfos/delfos"
	allowed := []string{
		ours + "/internal/timestamp", ours + "/internal/pgrow", ours + "/server/param",
		ours + "/gen/sourceapi", ours + "/gen/targetapi", ours + "/gen/enum",
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "gen"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasPrefix(name, ours) && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s; of ours, only %q are allowed", path, name, allowed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read gen: %v", err)
	}
	if files == 0 {
		t.Error("gen holds no Go file")
	}
}
