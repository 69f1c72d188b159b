//go:build citus

package pgtest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/delfos/delfos/internal/localpg"
)

// Citus returns the URL of an empty database on the coordinator of a cluster with two workers,
// as a superuser; they stop with the test. Nodes ask each other for passwords.
func Citus(tb testing.TB) string {
	tb.Helper()
	var nodes []*localpg.Server
	for range 3 {
		dir := Folder(tb)
		if err := serverOf(tb, dir).Stop(context.WithoutCancel(tb.Context())); err != nil {
			tb.Fatal(err)
		}
		// The servers' account has no certificates to look for.
		if err := configure(filepath.Join(dir, "data"), "shared_preload_libraries = citus\ncitus.node_conninfo = 'sslmode=disable'\n"); err != nil {
			tb.Fatal(err)
		}
		node := serverOf(tb, dir)
		db := Pool(tb, node.URL())
		Exec(tb, db, "CREATE EXTENSION citus")
		Exec(tb, db, "INSERT INTO pg_dist_authinfo VALUES (0, current_user, 'password='||current_user)")
		nodes = append(nodes, node)
	}
	coordinator := Pool(tb, nodes[0].URL())
	Exec(tb, coordinator, "SELECT citus_set_coordinator_host('127.0.0.1', $1)", nodes[0].Port())
	for _, worker := range nodes[1:] {
		Exec(tb, coordinator, "SELECT citus_add_node('127.0.0.1', $1)", worker.Port())
	}
	return nodes[0].URL()
}
