package cli

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/test/golden"
)

// TestHelp holds the help of every command against its golden file, and sees
// to it that there is an example. It is inside the package to walk the commands.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, path := range paths(newRoot(&runner{screen: newScreen(nil)})) {
		name := strings.Join(path, "-")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			args := slices.Concat(path[1:], []string{"--help"})
			if code := Main(t.Context(), Program{Args: args, Stdout: &stdout, Stderr: &stderr}); code != exitDone {
				t.Fatalf("got exit code %d, want %d; stderr: %s", code, exitDone, stderr.String())
			}
			if stderr.Len() > 0 {
				t.Errorf("got on standard error: %s", stderr.String())
			}
			if !strings.Contains(stdout.String(), "\nExamples:\n") {
				t.Error("the help has no example")
			}
			golden.Equal(t, filepath.Join("help", name+".txt"), stdout.String())
		})
	}
}

// paths lists the commands by their names from the root on; cobra's own
// completion scripts explain themselves.
func paths(cmd *cobra.Command) [][]string {
	all := [][]string{strings.Fields(cmd.CommandPath())}
	if cmd.Name() == "completion" {
		return all
	}
	for _, c := range cmd.Commands() {
		if c.Name() != "help" {
			all = append(all, paths(c)...)
		}
	}
	return all
}
