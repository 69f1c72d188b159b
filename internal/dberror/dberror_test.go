package dberror_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestClassOfStates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		codes string
		class dberror.Class
	}{
		"transactions given up":   {"40001 40P01 40000 40003 25P03 25P04 25P02 72000", dberror.Again},
		"an administrator":        {"57014 57P01 57P02 57P03 57P05 25006", dberror.Again},
		"resources":               {"53000 53100 53200 53300 53400", dberror.Again},
		"locks":                   {"55P03 55006 55000", dberror.Again},
		"connections":             {"08000 08001 08003 08004 08006 08P01", dberror.Away},
		"databases that are gone": {"3D000 57P04", dberror.Away},
		"log in":                  {"28000 28P01", dberror.Never},
		"privileges":              {"42501", dberror.Never},
		"schema":                  {"42P01 42703 42883 42704 3F000", dberror.Outdated},
		"poolers":                 {"42P05 26000", dberror.Never},
		"settings and damage":     {"55P02 XX001 XX002", dberror.Never},
		"texts":                   {"22021 22P05", dberror.Refused},
		"all else":                {"22012 23505 23514 42601 XX000 0A000 58030 00000", dberror.Unknown},
	}
	for name, tt := range tests {
		for code := range strings.FieldsSeq(tt.codes) {
			err := fmt.Errorf("load: %w", &pgconn.PgError{Code: code})
			if got := dberror.Any.Of(err).Class; got != tt.class {
				t.Errorf("%s: %s is %q, want %q", name, code, got, tt.class)
			}
		}
	}
	if got := dberror.Any.Of(&pgconn.PgError{}).Class; got != dberror.Unknown {
		t.Errorf("an error without a code is %q", got)
	}
}

func TestClassByMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, message string
		class         dberror.Class
		found         string
	}{
		{"40001", "canceling statement due to conflict with recovery", dberror.Again, "standby"},
		{"40001", "could not serialize access due to concurrent update", dberror.Again, "for the sake of another"},
		{"08P01", "unsupported startup parameter: jit", dberror.Never, "pooler"},
		{"08P01", "no such database: delfos", dberror.Away, "does not exist"},
		{"08P01", "server login has been failing, try again later (server_login_retry)", dberror.Away, "failed"},
		{"08P01", "password authentication failed", dberror.Never, "password"},
		{"28000", `no pg_hba.conf entry for host "10.0.0.7", user "delfos"`, dberror.Never, "from this host"},
		{"22P02", `invalid input value for enum outcome: "pruned"`, dberror.Outdated, "enumeration"},
		{"22P02", `invalid input syntax for type integer: "x"`, dberror.Unknown, ""},
		{"0A000", "cached plan must not change result type", dberror.Again, "changed"},
		{"XX000", `duplicate key value violates unique constraint "data_pkey_102042"`, dberror.Again, "committing"},
	} {
		got := dberror.Any.Of(&pgconn.PgError{Code: tt.code, Message: tt.message})
		if got.Class != tt.class || !strings.Contains(got.Found, tt.found) {
			t.Errorf("%s %s: got %+v, want %s and %q", tt.code, tt.message, got, tt.class, tt.found)
		}
	}
}

func TestClassOfGoErrors(t *testing.T) {
	t.Parallel()
	_, badURL := pgx.ParseConfig("postgres://u:secret@h:port/d")
	tests := map[string]struct {
		err  error
		want dberror.Class
	}{
		"none":                {nil, dberror.Unknown},
		"another's":           {errors.New("who knows"), dberror.Unknown},
		"no rows":             {pgx.ErrNoRows, dberror.Unknown},
		"reset":               {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, dberror.Again},
		"cut":                 {io.ErrUnexpectedEOF, dberror.Again},
		"closed":              {net.ErrClosed, dberror.Again},
		"a pool that is over": {puddle.ErrClosedPool, dberror.Again},
		"too slow":            {context.DeadlineExceeded, dberror.Again},
		"ours":                {context.Canceled, dberror.Cancelled},
		"unreachable":         {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, dberror.Away},
		"a missing host":      {&net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}, dberror.Away},
		"a URL":               {badURL, dberror.Never},
		"a pooler":            {pgpool.ErrShared, dberror.Never},
		"a certificate":       {x509.UnknownAuthorityError{}, dberror.Never},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{tt.err, fmt.Errorf("read samples: %w", tt.err)} {
				if tt.err == nil {
					err = nil
				}
				if got := dberror.Any.Of(err).Class; got != tt.want {
					t.Errorf("%v is %q, want %q", err, got, tt.want)
				}
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	table := &pgconn.PgError{Severity: "ERROR", Code: "42P01", Message: `relation "run" does not exist`}
	queue := &pgconn.PgError{Severity: "ERROR", Code: "42P01", Message: `relation "river.river_job" does not exist`}
	tests := map[string]struct {
		database dberror.Database
		err      error
		want     string
	}{
		"target": {dberror.Target, table, "ERROR: relation \"run\" does not exist (SQLSTATE 42P01); `delfos schema apply target` brings the database to this version"},
		"source": {dberror.Source, table, "ERROR: relation \"run\" does not exist (SQLSTATE 42P01); `delfos schema apply source` brings the database to this version"},
		"any":    {dberror.Any, table, "ERROR: relation \"run\" does not exist (SQLSTATE 42P01); `delfos schema apply` brings the database to this version"},
		"queue":  {dberror.Target, queue, "ERROR: relation \"river.river_job\" does not exist (SQLSTATE 42P01); `delfos schema apply target river` brings the database to this version"},
		"user":   {dberror.Source, &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "no"}, "FATAL: no (SQLSTATE 28P01); correct the user and the password in SOURCE_DB_URL, or in the variables of its parts"},
		"again":  {dberror.Source, &pgconn.PgError{Severity: "ERROR", Code: "40P01", Message: "deadlock detected"}, "ERROR: deadlock detected (SQLSTATE 40P01)"},
		"others": {dberror.Source, io.ErrNoProgress, io.ErrNoProgress.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.database.Explain(tt.database.Explain(tt.err))
			if got.Error() != tt.want || !errors.Is(got, tt.err) {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
	if got := dberror.Target.Explain(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

// What real servers refuse at the door.
func TestConnections(t *testing.T) {
	t.Parallel()
	url := pgtest.Target(t)
	config := func(change func(*pgx.ConnConfig)) *pgx.ConnConfig {
		c, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		return c
	}
	tests := map[string]struct {
		config *pgx.ConnConfig
		class  dberror.Class
		found  string
	}{
		"a wrong password":   {config(func(c *pgx.ConnConfig) { c.Password = "wrong" }), dberror.Never, "password"},
		"a missing role":     {config(func(c *pgx.ConnConfig) { c.User = "nobody" }), dberror.Never, "password"},
		"a missing database": {config(func(c *pgx.ConnConfig) { c.Database = "nowhere" }), dberror.Away, "does not exist"},
		"nobody listens":     {config(func(c *pgx.ConnConfig) { c.Port = 1 }), dberror.Away, "does not answer"},
		"an unknown setting": {config(func(c *pgx.ConnConfig) { c.RuntimeParams["no_such_thing"] = "on" }), dberror.Never, "lacks"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.config.Fallbacks = nil
			_, err := pgx.ConnectConfig(t.Context(), tt.config)
			if got := dberror.Any.Of(err); got.Class != tt.class || !strings.Contains(got.Found, tt.found) {
				t.Errorf("%v: got %+v, want %s and %q", err, got, tt.class, tt.found)
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		_, err := pgx.Connect(t.Context(), withParam(url, "sslmode=require"))
		if got := dberror.Source.Of(err); got.Class != dberror.Never || !strings.Contains(got.Remedy, "sslmode, sslrootcert or the host in SOURCE_DB_URL") {
			t.Errorf("%v: got %+v", err, got)
		}
	})
}

// What real servers do to a session.
func TestSessions(t *testing.T) {
	t.Parallel()
	url := pgtest.Target(t)
	admin := pgtest.Pool(t, url)
	tests := map[string]struct {
		set, sql string
		class    dberror.Class
		found    string
	}{
		"a missing table":     {"", "SELECT * FROM nothing", dberror.Outdated, "lacks"},
		"a missing column":    {"", "SELECT nothing FROM data", dberror.Outdated, "lacks"},
		"a read-only switch":  {"SET default_transaction_read_only = on", "DELETE FROM data", dberror.Again, "no writes"},
		"a statement timeout": {"SET statement_timeout = 1", "SELECT pg_sleep(60)", dberror.Again, "cancelled"},
		"a cancel":            {"", "SELECT pg_cancel_backend(pg_backend_pid())", dberror.Again, "cancelled"},
		"an end":              {"", "SELECT pg_terminate_backend(pg_backend_pid())", dberror.Again, "ended the session"},
		"an idle transaction": {"SET idle_in_transaction_session_timeout = 1", "BEGIN", dberror.Again, "too long"},
		"half a rune":         {"", "SELECT convert_from('\\xff', 'UTF8')", dberror.Refused, "can't hold"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := admin.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			session := conn.Hijack()
			defer session.Close(context.WithoutCancel(t.Context()))
			if tt.set != "" {
				if _, err := session.Exec(t.Context(), tt.set); err != nil {
					t.Fatal(err)
				}
			}
			_, err = session.Exec(t.Context(), tt.sql)
			if tt.sql == "BEGIN" {
				awaitEnd(t, admin, session.PgConn().PID())
				_, err = session.Exec(t.Context(), "COMMIT")
			}
			if got := dberror.Any.Of(err); got.Class != tt.class || !strings.Contains(got.Found, tt.found) {
				t.Errorf("%v: got %+v, want %s and %q", err, got, tt.class, tt.found)
			}
		})
	}
}

// awaitEnd waits until a session has ended.
func awaitEnd(t *testing.T, pool *pgxpool.Pool, pid uint32) {
	t.Helper()
	await.True(t, "the session to end", func() bool {
		return !pgtest.Query[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", int32(pid))
	})
}

func withParam(url, param string) string {
	base, _, _ := strings.Cut(url, "?")
	return base + "?" + param
}
