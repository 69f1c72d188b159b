package sessions_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/sessions"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// anew has each check look for everything.
const anew = time.Nanosecond

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	// As the APIs' sessions are.
	if _, err := conn.Exec(t.Context(), "SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Each change is made to a database of its own, and the check says what it took.
func TestRun(t *testing.T) {
	t.Parallel()
	source := func() *sessions.Check { return sessions.NewCheck(dberror.Source, sourcedb.New, anew) }
	target := func() *sessions.Check { return sessions.NewCheck(dberror.Target, targetdb.New, anew) }
	for name, tt := range map[string]struct {
		check  *sessions.Check
		change string
		lacks  []string
		remedy string
	}{
		"source": {check: source()},
		"source of a newer version": {
			check:  source(),
			change: "ALTER TABLE data ADD pitch double precision; ALTER TABLE turbine ADD owner text; CREATE TABLE sensor (id integer)",
		},
		"source without a table": {
			check: source(), change: "DROP TABLE data",
			lacks: []string{`relation "data" does not exist`}, remedy: "delfos schema apply source",
		},
		"source without a column": {
			check: source(), change: "ALTER TABLE data DROP COLUMN power",
			lacks: []string{`column "power" does not exist`}, remedy: "delfos schema apply source",
		},
		"source as a view": {
			check: source(), change: "ALTER TABLE data RENAME TO measured; CREATE VIEW data AS TABLE measured",
		},
		"source without a privilege": {
			check: source(), change: "REVOKE SELECT ON data FROM delfos_owner",
			lacks: []string{"permission denied for table data"}, remedy: "grant the role",
		},
		"source without all privileges to write": {
			check: source(), change: "REVOKE INSERT, UPDATE, DELETE ON data, turbine FROM delfos_owner",
		},
		"target": {check: target()},
		"target without two tables": {
			check: target(), change: "DROP TABLE flag, worker",
			lacks: []string{`relation "flag" does not exist`, `relation "worker" does not exist`}, remedy: "delfos schema apply target",
		},
		"target without a column": {
			check: target(), change: "ALTER TABLE partition DROP COLUMN next_attempt_at",
			lacks: []string{"next_attempt_at does not exist"}, remedy: "delfos schema apply target",
		},
		"target without the queue": {
			check: target(), change: "DROP SCHEMA river CASCADE",
			lacks: []string{`"river`}, remedy: "delfos schema apply target river",
		},
		"target that can't be written to": {
			check: target(), change: "REVOKE INSERT ON data FROM delfos_owner, delfos_etl",
			lacks: []string{"permission denied for table data"}, remedy: "grant the role",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := pgtest.Source
			if strings.HasPrefix(name, "target") {
				database = pgtest.Target
			}
			url := database(t)
			if _, err := pgtest.Pool(t, url).Exec(t.Context(), tt.change); err != nil {
				t.Fatal(err)
			}
			err := tt.check.Run(t.Context(), connect(t, url))
			if tt.lacks == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			missing, ok := errors.AsType[*sessions.MissingError](err)
			if !ok {
				t.Fatalf("got %v, want what is missing", err)
			}
			for _, lacks := range tt.lacks {
				if !slices.ContainsFunc(missing.Lacks, func(s string) bool { return strings.Contains(s, lacks) }) {
					t.Errorf("%v: there is nothing of %s", missing, lacks)
				}
			}
			if !strings.Contains(missing.Error(), tt.remedy) {
				t.Errorf("%v: there is nothing of %s", missing, tt.remedy)
			}
		})
	}
}

// What was found is not looked for again within the lifetime; what is missing is,
// and so is the database.
func TestLifetime(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	pool, conn := pgtest.Pool(t, database), connect(t, database)
	check := sessions.NewCheck(dberror.Source, sourcedb.New, time.Hour)
	var missing *sessions.MissingError
	if err := check.Run(t.Context(), conn); !errors.As(err, &missing) {
		t.Fatalf("an empty database lacks nothing: %v", err)
	}
	full, err := url.Parse(pgtest.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	whole := connect(t, full.String())
	if err := check.Run(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	if err := check.Run(t.Context(), conn); err != nil {
		t.Errorf("it is looked for again: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if err := check.Run(t.Context(), conn); err == nil {
		t.Error("a session that has ended answers")
	}
}
