package localpg_test

import (
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/localpg"
)

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
