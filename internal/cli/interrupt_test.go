package cli_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// TestInterrupt ends an import that waits for its standard input.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.source = pgtest.Source(t)
	stdin, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = stdin.Close(), feed.Close() }()
	p := in.startWith(t, stdin, "import", "-")

	// The session is there, so the command has begun to read.
	pool := pgtest.Pool(t, in.source)
	const query = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'delfos' AND query LIKE 'COPY%'`
	for reading := 0; reading == 0; {
		select {
		case <-p.ended:
			t.Fatalf("ended before it was told to; standard error: %s", p.stderr)
		default:
		}
		if err := pool.QueryRow(t.Context(), query).Scan(&reading); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGINT)
	p.exit(1)
	if got, want := p.stderr.String(), "delfos: stopped: interrupt signal received\n"; got != want {
		t.Errorf("standard error: got %q, want %q", got, want)
	}
}
