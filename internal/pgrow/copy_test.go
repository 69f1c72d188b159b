package pgrow_test

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/pgtest"
)

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

func (r *row) encode(b []byte) []byte {
	b = pgrow.AppendRow(b, 4)
	b = field(b, r.I, pgrow.AppendInt32)
	b = field(b, r.Big, pgrow.AppendInt64)
	b = field(b, r.F, pgrow.AppendFloat64)
	if r.At == nil {
		return pgrow.AppendNull(b)
	}
	return pgrow.AppendTimestamp(b, pgrow.Micros(r.At.UnixMicro()))
}

func field[T any](b []byte, v *T, appendValue func([]byte, T) []byte) []byte {
	if v == nil {
		return pgrow.AppendNull(b)
	}
	return appendValue(b, *v)
}

func from(ctx context.Context, conn *pgx.Conn, sql string, write func(*pgrow.Copier[row]) error) (int64, error) {
	return pgrow.Copy(ctx, conn, sql, (*row).encode, write)
}

func write(rows []row) func(*pgrow.Copier[row]) error {
	return func(w *pgrow.Copier[row]) error {
		for _, r := range rows {
			if err := w.Put(&r); err != nil {
				return err
			}
		}
		return nil
	}
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
	n, err := from(t.Context(), conn, copyRow, write(rows))
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
		write func(*pgrow.Copier[row]) error
		want  error
	}{
		"the writer gives up": {copyRow, func(w *pgrow.Copier[row]) error { _ = w.Put(&row{}); return mine }, mine},
		"the writer leaves":   {copyRow, func(*pgrow.Copier[row]) error { runtime.Goexit(); return nil }, nil},
		"no such table":       {"COPY nothing FROM STDIN (FORMAT binary)", write(make([]row, 100_000)), nil},
		"a column too many":   {"COPY row (i, big, f) FROM STDIN (FORMAT binary)", write(make([]row, 1)), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := setup(t)
			n, err := from(t.Context(), conn, tt.sql, tt.write)
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
	refused := func(w *pgrow.Copier[row]) error {
		for range 64 << 10 { // more than a buffer, so that it is sent
			_ = w.Put(&row{})
		}
		<-w.Done()
		return nil
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		conn := setup(t)
		_, err := from(t.Context(), conn, "COPY row (i, big, f) FROM STDIN (FORMAT binary)", refused)
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
		_, err := from(t.Context(), conn, copyRow, func(w *pgrow.Copier[row]) error {
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
		_, err := from(ctx, conn, copyRow, func(w *pgrow.Copier[row]) error {
			cancel()
			<-w.Done()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("From: got %v, want %v", err, context.Canceled)
		}
	})
}

// A row costs no memory. Allocations are counted for the whole process: nothing
// runs beside this test.
func TestCopierDoesNotAllocate(t *testing.T) {
	c, r := pgrow.NewCopier(io.Discard, (*row).encode), row{I: new(int32(1)), F: new(math.Pi)}
	if got := testing.AllocsPerRun(1<<20, func() { _ = c.Put(&r) }); got != 0 {
		t.Errorf("a row allocates %g times, want 0", got)
	}
}

// One iteration is a row of four columns: 0 allocations.
func BenchmarkCopier(b *testing.B) {
	b.ReportAllocs()
	c, r := pgrow.NewCopier(io.Discard, (*row).encode), row{I: new(int32(1)), F: new(math.Pi), At: new(time.Now())}
	for b.Loop() {
		_ = c.Put(&r)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
