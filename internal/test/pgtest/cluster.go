package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/localpg"
)

// Cluster puts into a folder, which localpg makes if it is absent, the data that localpg would
// make there by its defaults: a copy of what one initdb has made for all tests of the package, at
// a fifth of the cost.
func Cluster(tb testing.TB, dir string) {
	tb.Helper()
	data, err := made()
	if err != nil {
		tb.Fatalf("test server: %v", err)
	}
	//nolint:gosec // The server's account has to come through.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatalf("test server: %v", err)
	}
	// As root it keeps the files' owner.
	if out, err := exec.CommandContext(tb.Context(), "cp", "-a", data, dir).CombinedOutput(); err != nil {
		tb.Fatalf("test server: copy its data: %v\n%s", err, out)
	}
}

// Superuser are localpg's statements that make its default user one, on the data of Cluster.
func Superuser() []string {
	return []string{"ALTER ROLE " + pgx.Identifier{localpg.DefaultUser}.Sanitize() + " SUPERUSER"}
}

// made is the data that Cluster copies.
func made() (string, error) {
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	if shared.data != "" {
		return shared.data, nil
	}
	if !shared.inMain {
		return "", errors.New("the package lacks func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	dir, err := os.MkdirTemp("", "delfos-cluster-*") // makeFolder would take one that no server runs in for left behind
	if err != nil {
		return "", fmt.Errorf("make the data of servers: %w", err)
	}
	server, err := localpg.Start(context.Background(), localpg.Config{Dir: dir, BinDir: os.Getenv("DELFOS_PG_BIN"), Fast: true})
	if err != nil {
		return "", errors.Join(fmt.Errorf("make the data of servers: %w", err), os.RemoveAll(dir))
	}
	shared.data = filepath.Join(dir, "data")
	return shared.data, server.Stop(context.Background())
}
