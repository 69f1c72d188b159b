package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	lines := []line{{name: "fast", target: 1}, {name: "slow", target: 1}, {name: "slower", target: 1}}
	name := filepath.Join(t.TempDir(), "notes.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# Title\n\nFor all.\n\n## fast\n\nNot shown.\n\n## slow\n\nBecause.\n\n### Deeper\n\nAnd so on.\n")
	n, err := readNotes(name, lines)
	if err != nil {
		t.Fatal(err)
	}
	of := func(value float64) []sample { return []sample{{value: value}} }
	got := n.markdown([]result{
		{line: lines[0], base: of(2), ours: of(1)}, {line: lines[1], base: of(1), ours: of(2)}, {line: lines[2], base: of(1), ours: of(2)},
	})
	want := "\nFor all.\n\n## Lines that miss their target\n\n### slow\n\nBecause.\n\n### Deeper\n\nAnd so on.\n" +
		"\n### slower\n\nNothing is said of it in bench/NOTES.md.\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the notes (-want +got):\n%s", diff)
	}

	write("## gone\n\nA line that was renamed.\n")
	if _, err := readNotes(name, lines); err == nil || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("got %v, want an error that names the heading", err)
	}
}

// TestOurNotes: the notes that are kept name lines that there are.
func TestOurNotes(t *testing.T) {
	t.Parallel()
	if _, err := readNotes("NOTES.md", (&bench{}).lines()); err != nil {
		t.Error(err)
	}
}
