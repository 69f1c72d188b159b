//go:build pgbouncer

package endtoend_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// What PgBouncer itself says is understood, though it has its own codes.
func TestPgBouncerErrors(t *testing.T) {
	t.Parallel()
	database := pgtest.Target(t)
	kept, given := bouncer(t, "session", database)(database), bouncer(t, "transaction", database)(database)
	change := func(raw string, change func(*url.URL)) string {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	tests := map[string]struct {
		url   string
		class dberror.Class
		found string
	}{
		"a missing database": {change(kept, func(u *url.URL) { u.Path = "/nowhere" }), dberror.Away, "does not exist"},
		"a wrong password": {change(kept, func(u *url.URL) {
			u.User = url.UserPassword(u.User.Username(), "wrong")
		}), dberror.Never, "password"},
		"a missing role":   {change(kept, func(u *url.URL) { u.User = url.UserPassword("nobody", "wrong") }), dberror.Never, "password"},
		"a setting":        {kept + "&jit=off", dberror.Never, "pooler"},
		"transaction mode": {given, dberror.Never, "transaction mode"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connect := func() (*pgx.Conn, error) { return pgx.Connect(t.Context(), tt.url) }
			if name == "transaction mode" {
				connect = func() (*pgx.Conn, error) { return pgpool.Connect(t.Context(), tt.url, pgpool.Options{}) }
			}
			conn, err := connect()
			if err == nil {
				conn.Close(t.Context())
			}
			if got := dberror.Any.Of(err); got.Class != tt.class || !strings.Contains(got.Found, tt.found) {
				t.Errorf("%v: got %+v, want %s and %q", err, got, tt.class, tt.found)
			}
		})
	}
}
