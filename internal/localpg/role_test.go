package localpg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/localpg"
)

// A superuser's statements run before the server starts, once as long as they stay the same,
// and also on a cluster of a version that had none.
func TestRoles(t *testing.T) {
	t.Parallel()
	c := config(filled(t))
	for i, statements := range [][]string{
		nil, {"CREATE ROLE reader"}, {"CREATE ROLE reader"}, {"CREATE ROLE reader", `GRANT reader TO delfos`},
	} {
		c.Roles = statements
		server := start(t, c)
		want := []string{"0 f", "1 f", "1 f", "1 t"}[i]
		if got := query(t, server.URL(), "SELECT concat_ws(' ', count(*), coalesce(bool_or(pg_has_role(oid, 'USAGE')), false)) FROM pg_roles WHERE rolname = 'reader'"); got != want {
			t.Errorf("start %d: the role, and whether the user is a member: got %s, want %s", i, got, want)
		}
		stop(t, server)
		log, err := os.ReadFile(filepath.Join(c.Dir, "server.log"))
		if again := strings.Contains(string(log), "already exists"); err != nil || again != (i == 3) {
			t.Errorf("start %d: the statements ran again: got %t, %v, want %t", i, again, err, i == 3)
		}
	}
}

// TestRole: whoever knows the password of a demo must not become the account
// that its server runs as, which a superuser can by COPY … TO PROGRAM.
func TestRole(t *testing.T) {
	t.Parallel()
	c := config(folder(t))
	c.User, c.Password, c.Database = `o'hara "x"`, `it's \ "secret"`, `wind 'n "rain"`
	server := start(t, c)
	if got := query(t, server.URL(), "SELECT concat_ws(' ', current_user, current_database(), rolsuper, rolcreatedb, rolcreaterole) FROM pg_roles WHERE rolname = current_user"); got != `o'hara "x" wind 'n "rain" f t f` {
		t.Errorf("role: got %s, want it to create databases and no more", got)
	}
	stop(t, server)

	c = config(folder(t))
	c.User = "pg_reserved"
	if server, err := localpg.Start(t.Context(), c); err == nil {
		stop(t, server)
		t.Error("a role with a reserved name: got a server, want an error")
	} else if !strings.Contains(err.Error(), `role name "pg_reserved" is reserved`) {
		t.Errorf("a role with a reserved name: got %v, want PostgreSQL's reason", err)
	}
}
