// Package golden compares what a test got with a file of its package's testdata.
// `go test ./the/package -update` rewrites the files.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//nolint:gochecknoglobals // A flag, which no test changes.
var update = flag.Bool("update", false, "rewrite the golden files")

// Equal fails the test unless got is what the named file of testdata holds.
func Equal[T string | []byte](tb testing.TB, name string, got T) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
