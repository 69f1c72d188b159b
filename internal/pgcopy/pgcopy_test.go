package pgcopy_test

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/pgcopy"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const copyRow = "COPY row (i, big, f, at) FROM STDIN (FORMAT binary)"

// row has a column of each type that the Writer knows.
type row struct {
	I   *int32
	Big *int64
	F   *float64
	At  *time.Time
}

func setup(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), "CREATE TABLE row (n serial, i integer, big bigint, f double precision, at timestamptz)"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func write(rows []row) func(*pgcopy.Writer) error {
	return func(w *pgcopy.Writer) error {
		for _, r := range rows {
			w.Row(4)
			field(w, r.I, w.Int32)
			field(w, r.Big, w.Int64)
			field(w, r.F, w.Float64)
			if r.At == nil {
				w.Null()
			} else {
				w.Timestamp(r.At.UnixMicro())
			}
		}
		return w.Err()
	}
}

func field[T any](w *pgcopy.Writer, v *T, set func(T)) {
	if v == nil {
		w.Null()
		return
	}
	set(*v)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	rows := []row{
		{new(int32(0)), new(int64(0)), new(0.0), at("2000-01-01T00:00:00Z")},
		{new(int32(math.MinInt32)), new(int64(math.MinInt64)), new(-math.MaxFloat64), at("0001-01-01T00:00:00Z")},
		{new(int32(math.MaxInt32)), new(int64(math.MaxInt64)), new(math.SmallestNonzeroFloat64), at("9999-12-31T23:59:59.999999Z")},
		{},
		{new(int32(-1)), nil, new(math.Copysign(0, -1)), at("1969-12-31T23:59:59.999999Z")},
	}
	// More than one buffer.
	for i := range 10_000 {
		rows = append(rows, row{new(int32(i)), new(int64(i)), new(float64(i)), at("2025-01-01T00:00:00Z")})
	}
	conn := setup(t)
	n, err := pgcopy.From(t.Context(), conn.PgConn(), copyRow, write(rows))
	if err != nil || n != int64(len(rows)) {
		t.Fatalf("From: got %d, %v, want %d", n, err, len(rows))
	}
	found, err := conn.Query(t.Context(), "SELECT i, big, f, at FROM row ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestFromFails(t *testing.T) {
	t.Parallel()
	mine := errors.New("no more")
	tests := map[string]struct {
		sql   string
		write func(*pgcopy.Writer) error
		want  error
	}{
		"the writer gives up": {copyRow, func(w *pgcopy.Writer) error { w.Row(4); return mine }, mine},
		"no such table":       {"COPY nothing FROM STDIN (FORMAT binary)", write(make([]row, 100_000)), nil},
		"a field too few":     {copyRow, func(w *pgcopy.Writer) error { w.Row(3); return nil }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := setup(t)
			n, err := pgcopy.From(t.Context(), conn.PgConn(), tt.sql, tt.write)
			if n != 0 || err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("From: got %d, %v, want 0 and an error (%v)", n, err, tt.want)
			}
			var left int
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM row").Scan(&left); err != nil || left != 0 {
				t.Errorf("rows: got %d, %v, want none", left, err)
			}
		})
	}
}

// TestFromEndsWhenTheServerDoes has a writer that waits for more rows while the
// server refuses those it has, or is gone.
func TestFromEndsWhenTheServerDoes(t *testing.T) {
	t.Parallel()
	refused := func(w *pgcopy.Writer) error {
		for range pgcopy.Size { // more than a buffer, so that it is sent
			w.Row(3)
		}
		<-w.Done()
		return nil
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		conn := setup(t)
		_, err := pgcopy.From(t.Context(), conn.PgConn(), copyRow, refused)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "22P04" {
			t.Errorf("From: got %v, want the server's bad_copy_file_format", err)
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Errorf("the session is of no more use: %v", err)
		}
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		conn, other := setup(t), setup(t)
		_, err := pgcopy.From(t.Context(), conn.PgConn(), copyRow, func(w *pgcopy.Writer) error {
			if _, err := other.Exec(t.Context(), "SELECT pg_terminate_backend($1)", conn.PgConn().PID()); err != nil {
				return err
			}
			<-w.Done()
			return nil
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "57P01" {
			t.Errorf("From: got %v, want the server's admin_shutdown", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		conn := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := pgcopy.From(ctx, conn.PgConn(), copyRow, func(w *pgcopy.Writer) error {
			cancel()
			<-w.Done()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("From: got %v, want %v", err, context.Canceled)
		}
	})
}

func writeRow(w *pgcopy.Writer) {
	w.Row(5)
	w.Int32(1)
	w.Int32(2)
	w.Timestamp(1_735_689_600_000_000)
	w.Float64(math.Pi)
	w.Null()
}

// A row costs no memory. Allocations are counted for the whole process: nothing
// runs beside this test.
func TestWriterDoesNotAllocate(t *testing.T) {
	w := pgcopy.NewWriter(io.Discard)
	if got := testing.AllocsPerRun(10*pgcopy.Size, func() { writeRow(w) }); got != 0 || w.Err() != nil {
		t.Errorf("a row allocates %g times, want 0; %v", got, w.Err())
	}
}

// One iteration is a row of five columns: 0 allocations.
func BenchmarkWriter(b *testing.B) {
	b.ReportAllocs()
	w := pgcopy.NewWriter(io.Discard)
	for b.Loop() {
		writeRow(w)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
