package cli_test

import (
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestColours looks at the calendar on a terminal, where its letters have
// colours, unless somebody says no.
func TestColours(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(handler(&orchestrator{}))
	t.Cleanup(api.Close)
	bin := install(t)
	const failed = "\x1b[1;31mF\x1b[0m"
	for _, tt := range []struct {
		name, environ string
		want          bool
	}{
		{"terminal", "NO_COLOR=", true},
		{"no colour", "NO_COLOR=1", false},
		{"dumb terminal", "TERM=dumb", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			terminal, stdout, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = terminal.Close() }()
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, program), "partitions")
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "TERM=xterm", "TARGET_API_URL="+api.URL, tt.environ)
			cmd.Stdout, cmd.Stderr = stdout, t.Output()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := stdout.Close(); err != nil { // the program's now
				t.Fatal(err)
			}
			got, _ := io.ReadAll(terminal) // the error is that the other end is closed
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), "2025-02 ") || strings.Contains(string(got), "\x1b") != tt.want || strings.Contains(string(got), failed) != tt.want {
				t.Errorf("colours %t: got %q", tt.want, got)
			}
		})
	}
}
