package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// limit is how long a test waits for what must happen, on any machine.
const limit = 5 * time.Minute

// TestBarOnATerminal imports from a slow pipe with standard error on a
// terminal: a bar appears, goes again, and the result stands alone.
func TestBarOnATerminal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	terminal, stderr, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()

	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(install(t), program), "import", "-")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "SOURCE_DB_URL="+pgtest.Source(t))
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := stderr.Close(); err != nil { // the program's now
		t.Fatal(err)
	}

	appeared := make(chan struct{})
	shown := make(chan string, 1)
	go func() {
		var all strings.Builder
		chunk := make([]byte, 1024)
		for told := false; ; {
			n, err := terminal.Read(chunk)
			all.Write(chunk[:n])
			if !told && strings.Contains(all.String(), "importing") {
				close(appeared)
				told = true
			}
			if err != nil { // the terminal's other end is closed
				shown <- all.String()
				return
			}
		}
	}()

	at := time.Date(2025, time.June, 1, 0, 0, 0, 0, time.UTC)
	row := func() {
		if _, err := io.WriteString(stdin, at.Format(time.RFC3339)+",8.5,1200,11.5\n"); err != nil {
			t.Errorf("feed standard input: %v", err)
		}
		at = at.Add(time.Minute)
	}
	if _, err := io.WriteString(stdin, "timestamp,wind_speed,power,ambient_temperature\n"); err != nil {
		t.Fatal(err)
	}
	feed := time.NewTicker(5 * time.Millisecond)
	defer feed.Stop()
	for waiting := true; waiting; {
		select {
		case <-appeared:
			waiting = false
		case <-ctx.Done():
			t.Fatal("no bar appeared")
		case <-feed.C:
			row()
		}
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("import: %v", err)
	}
	if got := stdout.String(); !strings.Contains(got, " samples new, 0 changed, 0 unchanged\nturbine 1 (Turbine 1)") {
		t.Errorf("standard output: got %q", got)
	}
	got := <-shown
	if strings.Contains(got, "\x1b[3") {
		t.Errorf("the bar has colours: %q", got)
	}
	if !strings.HasSuffix(strings.TrimRight(got, " "), "\r") {
		t.Errorf("the bar was not taken away: %q", got)
	}
}
