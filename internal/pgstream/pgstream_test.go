package pgstream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/pgcopy"
	"github.com/delfos/delfos/internal/pgstream"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// endless has more rows than anyone waits for. In the select list the function
// yields as it goes; in FROM it would be collected first.
const endless = "SELECT generate_series(1, 100000000)"

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestRead(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	type row struct {
		ID    int32
		At    int64
		Value *float64
	}
	var got []row
	// Twice, so that the second run takes the statement from the cache.
	for range 2 {
		got = nil
		err := pgstream.Read(t.Context(), pool, "read", `SELECT i, timestamptz '1970-01-01Z' + i * interval '1 us',
				CASE WHEN i <> 2 THEN i / 2.0::double precision END
			FROM generate_series(1, $1::integer) AS i`, []any{int32(3)},
			func(values [][]byte) error {
				r := row{ID: pgcopy.Int32(values[0]), At: pgcopy.Micros(values[1])}
				if values[2] != nil {
					f := pgcopy.Float64(values[2])
					r.Value = &f
				}
				got = append(got, r)
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	half, three := 0.5, 1.5
	want := []row{{1, 1, &half}, {2, 2, nil}, {3, 3, &three}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadReportsTheDatabasesErrors(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	rows := 0
	count := func([][]byte) error { rows++; return nil }
	err := pgstream.Read(t.Context(), pool, "read it", "SELECT 1 / (500 - i) FROM generate_series(1, 1000) AS i", nil, count)
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "22012" {
		t.Errorf("got %v, want a division by zero", err)
	}
	if rows != 499 {
		t.Errorf("%d rows came before the error, want 499", rows)
	}
	if err := pgstream.Read(t.Context(), pool, "read it", "SELECT FROM nothing", nil, count); err == nil {
		t.Error("a table that isn't there is no error")
	}
}

// An endless answer ends as soon as a row is refused.
func TestReadStopsAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	errEnough := errors.New("enough")
	rows := 0
	err := pgstream.Read(t.Context(), pool, "read", endless, nil,
		func([][]byte) error {
			if rows++; rows == 10 {
				return errEnough
			}
			return nil
		})
	if !errors.Is(err, errEnough) || rows != 10 {
		t.Errorf("after %d rows: %v", rows, err)
	}
	// The session is not handed to the next one who asks.
	var one int
	if err := pool.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("afterwards: %d, %v", one, err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := pgstream.Read(ctx, pool, "read", endless, nil,
		func([][]byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// One iteration is a row.
func BenchmarkRead(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Empty(b))
	b.ReportAllocs()
	b.ResetTimer()
	err := pgstream.Read(b.Context(), pool, "read", `SELECT 1, now(), i / 2.0::double precision
		FROM generate_series(1, $1::bigint) AS i`, []any{int64(b.N)}, func([][]byte) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
}
