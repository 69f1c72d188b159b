package endtoend_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/sourceprune"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// follower asks what has changed, each time since the last.
type follower struct {
	*system

	t      *testing.T
	cursor string
}

func (f *follower) ask() extract.Changes {
	f.t.Helper()
	c, err := f.job.Changes(f.t.Context(), f.cursor)
	if err != nil {
		f.t.Fatal(err)
	}
	f.cursor = c.Cursor
	return c
}

func (f *follower) want(what, want string) {
	f.t.Helper()
	c := f.ask()
	if got := days(c.Days); !c.Complete || got != want {
		f.t.Errorf("%s: got %q, complete %t, want %q, complete", what, got, c.Complete, want)
	}
}

// wantUnknown waits until a write that nobody noted is counted, as it is when its session
// has been idle for some seconds, and for what is known to be complete again.
func (f *follower) wantUnknown(what string) {
	f.t.Helper()
	await.True(f.t, what+": an answer that is not complete", func() bool { return !f.ask().Complete })
	f.want(what+", known", "")
}

// write runs a transaction of a session of its own, whose end has PostgreSQL count its rows.
func (f *follower) write(do func(tx pgx.Tx) error) {
	f.t.Helper()
	f.writeAs(f.connect(), do)
}

func (f *follower) writeAs(conn *pgx.Conn, do func(tx pgx.Tx) error) {
	f.t.Helper()
	if err := pgx.BeginFunc(f.t.Context(), conn, do); err != nil {
		f.t.Fatal(err)
	}
	f.end(conn)
}

// end closes a session and waits until it is gone: PostgreSQL counts its rows before.
func (f *follower) end(conn *pgx.Conn) {
	f.t.Helper()
	if err := conn.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	await.True(f.t, "the session to be gone", func() bool {
		return pgtest.Query[bool](f.t, f.source, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", int32(conn.PgConn().PID()))
	})
}

// connect opens a session of the role that imports.
func (f *follower) connect() *pgx.Conn {
	f.t.Helper()
	return f.open(pgtest.As(f.t, pgtest.Import, f.source.Config().ConnString()))
}

func (f *follower) open(url string) *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(f.t.Context())) })
	return conn
}

// counted ends the sessions that have written, and waits until PostgreSQL has counted all
// that was noted.
func (f *follower) counted() {
	f.t.Helper()
	f.source.Reset()
	await.True(f.t, "what was noted to be counted", func() bool {
		return pgtest.Query[bool](f.t, f.source, `SELECT sum(rows) = pg_stat_get_tuples_inserted('data'::regclass)
			+ pg_stat_get_tuples_updated('data'::regclass) + pg_stat_get_tuples_deleted('data'::regclass) FROM data_change`)
	})
}

// sql writes as somebody does who knows nothing of notes.
func (f *follower) sql(statement string) {
	f.t.Helper()
	f.write(f.exec(statement))
}

// owner writes what only the owner of the schema may.
func (f *follower) owner(statement string) {
	f.t.Helper()
	f.writeAs(f.open(f.source.Config().ConnString()), f.exec(statement))
}

func (f *follower) exec(statement string) func(tx pgx.Tx) error {
	return func(tx pgx.Tx) error {
		_, err := tx.Exec(f.t.Context(), statement)
		return err //nolint:wrapcheck // The test prints it.
	}
}

// noted changes a sample of a day, as a writer of Delfos does.
func noted(ctx context.Context, tx pgx.Tx, day string) error {
	at := date(day)
	if _, err := tx.Exec(ctx, "UPDATE data SET power = power + 1 WHERE timestamp = $1", at); err != nil {
		return err
	}
	return importdb.New(tx).NoteChanges(ctx, importdb.NoteChangesParams{Days: []time.Time{at}, Counts: []int64{1}})
}

// TestChanges: what the writers of Delfos note is told, each change once, whatever the order
// in which they commit; what somebody else writes makes the answer incomplete.
func TestChanges(t *testing.T) {
	t.Parallel()
	f := &follower{system: setup(t), t: t}
	f.seed(t, 4, 1)
	if c := f.ask(); c.Complete {
		t.Errorf("without a cursor: got %+v, want it not complete", c)
	}
	f.counted()
	f.ask()
	f.want("nothing", "")

	pool := pgtest.Pool(t, pgtest.As(t, pgtest.Import, f.source.Config().ConnString()))
	file := sampleimport.File{Name: "late.csv", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("timestamp,wind_speed,power,ambient_temperature\n2025-01-02T12:00:00Z,1,2,3\n2025-01-03T00:00:00Z,1,2,3\n2025-01-03T00:00:30Z,1,2,3\n")), nil
	}}
	for _, want := range []string{"2025-01-02 2025-01-03", ""} { // the second changes nothing
		if _, err := sampleimport.Run(t.Context(), pool, []sampleimport.File{file}, sampleimport.Options{}); err != nil {
			t.Fatal(err)
		}
		f.want("an import", want)
	}
	f.seed(t, 5, 1)
	f.want("a seed of one more day", "2025-01-05")
	if err := (sourceprune.Samples{Source: pool}).Remove(t.Context(), date("2025-01-01"), func(int64, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	f.want("a prune", "2025-01-01")
	pool.Reset()
	f.counted()
	f.want("all counted", "")

	// The transaction that began first ends last.
	ctx := t.Context()
	early := f.connect()
	tx, err := early.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := noted(ctx, tx, "2025-01-02"); err != nil {
		t.Fatal(err)
	}
	f.write(func(tx pgx.Tx) error { return noted(ctx, tx, "2025-01-03") })
	f.want("a later one", "2025-01-03")
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	f.want("an earlier one", "2025-01-02")
	f.want("neither again", "")
	f.end(early)

	// What was written by SQL, taken back, or removed is known by its count.
	f.sql("UPDATE data SET power = power + 1 WHERE timestamp = '2025-01-04'")
	f.wantUnknown("an UPDATE")
	f.sql("DELETE FROM data WHERE timestamp = '2025-01-04'")
	f.wantUnknown("a DELETE")
	conn := f.connect()
	if tx, err = conn.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	if err := noted(ctx, tx, "2025-01-02"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	f.end(conn)
	f.wantUnknown("a ROLLBACK")
	f.owner("CREATE TABLE away AS TABLE data; TRUNCATE data; INSERT INTO data TABLE away")
	f.wantUnknown("another file")
	pgtest.Exec(t, f.source, "DELETE FROM data_change")
	f.write(func(tx pgx.Tx) error { return noted(ctx, tx, "2025-01-02") })
	pgtest.Exec(t, f.source, "DELETE FROM data_change")
	f.wantUnknown("a note that is lost")

	// A restore brings marks along whose numbers mean nothing here.
	pgtest.Exec(t, f.source, "INSERT INTO data_change SELECT system + 1, pg_current_xact_id()::text::bigint, '2025-01-04', 1000 FROM pg_control_system() AS s (v, c, system, t)")
	f.want("a mark of another cluster", "")

	// Rows that data does not count are in its parts.
	pgtest.Exec(t, f.source, "CREATE TABLE part () INHERITS (data)")
	for range 2 {
		if c := f.ask(); c.Complete {
			t.Errorf("of data in parts: got %+v, want it never complete", c)
		}
	}
}

// TestChangesOfAnotherSource: a cursor tells nothing of another database.
func TestChangesOfAnotherSource(t *testing.T) {
	t.Parallel()
	one, other := &follower{system: setup(t), t: t}, &follower{system: setup(t), t: t}
	one.ask()
	other.cursor = one.cursor
	if c := other.ask(); c.Complete || cmp.Equal(c.Cursor, one.cursor) {
		t.Errorf("with a cursor of another source: got %+v, want it not complete", c)
	}
	other.want("with its own", "")
}
