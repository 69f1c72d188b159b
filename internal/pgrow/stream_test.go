package pgrow_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// endless has more rows than anyone waits for. In the select list the function
// yields as it goes; in FROM it would be collected first.
const endless = "SELECT generate_series(1, 100000000)"

// number is a row of one column.
type number struct{ N int32 }

func (n *number) decode(raw [][]byte) bool {
	if raw[0] == nil {
		return false
	}
	n.N = pgrow.DecodeInt32(raw[0])
	return true
}

func numbers(ctx context.Context, db pgrow.Querier, sql string, args ...any) iter.Seq2[number, error] {
	return pgrow.Stream(ctx, db, "numbers", sql, args, []pgrow.Column{{Name: "n", Kind: pgrow.Int32}}, (*number).decode)
}

func TestStream(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	three := numbers(t.Context(), pool, "SELECT generate_series(1, $1::integer)", int32(3))
	// Twice, so that the second run takes the statement from the cache.
	for range 2 {
		var got []number
		for n, err := range three {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if diff := cmp.Diff([]number{{1}, {2}, {3}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestStreamReportsErrors(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	for name, tt := range map[string]struct {
		sql, want string
		rows      int
	}{
		"of the database": {"SELECT 1 / (500 - i) FROM generate_series(1, 1000) AS i", "query numbers: ERROR: division by zero (SQLSTATE 22012)", 499},
		"before any row":  {"SELECT FROM nothing", `query numbers: ERROR: relation "nothing" does not exist (SQLSTATE 42P01)`, 0},
		"of a type":       {"SELECT 1::bigint", "query numbers: row 1: column n is sent as a type (OID 20, format 1) that is not the expected one", 0},
		"of a count":      {"SELECT 1, 2", "query numbers: row 1: the database sends 2 columns, 1 are expected", 0},
		"of a null":       {"VALUES (1), (NULL), (3)", "query numbers: row 2: column n is null, which it never may be", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := 0
			var got error
			for _, err := range numbers(t.Context(), pool, tt.sql) {
				if got = err; err == nil {
					rows++
				}
			}
			if got == nil || got.Error() != tt.want || rows != tt.rows {
				t.Errorf("after %d rows: %v; want %s after %d", rows, got, tt.want, tt.rows)
			}
		})
	}
}

// lists is a row of two arrays.
type lists struct {
	Values     []float64
	Timestamps []pgrow.Micros
}

func (l *lists) decode(raw [][]byte) bool {
	if raw[0] == nil || raw[1] == nil {
		return false
	}
	l.Values, l.Timestamps = pgrow.DecodeFloat64s(raw[0]), pgrow.DecodeTimestamps(raw[1])
	return l.Values != nil && l.Timestamps != nil
}

// Arrays are whole lists of values, or an error.
func TestStreamOfArrays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	columns := []pgrow.Column{{Name: "values", Kind: pgrow.Float64s}, {Name: "timestamps", Kind: pgrow.Timestamps}}
	const ok, broken = "", "query lists: row 1: an array is not one list of values of which none is null"
	for sql, want := range map[string]struct {
		row   lists
		fault string
	}{
		"'{}', '{}'":                       {lists{[]float64{}, []pgrow.Micros{}}, ok},
		"'{1.5,-1e300}', '{1970-01-01Z}'":  {lists{[]float64{1.5, -1e300}, []pgrow.Micros{0}}, ok},
		"'{0.1}', '{2025-01-01 12:00Z}'":   {lists{[]float64{0.1}, []pgrow.Micros{1_735_732_800_000_000}}, ok},
		"'[5:6]={1,2}', '{1970-01-02Z}'":   {lists{[]float64{1, 2}, []pgrow.Micros{86_400_000_000}}, ok},
		"'{1,NULL}', '{}'":                 {lists{}, broken},
		"'{1}', '{NULL}'":                  {lists{}, broken},
		"'{{1,2},{3,4}}', '{1970-01-01Z}'": {lists{}, broken},
		"'{1}', NULL":                      {lists{}, "query lists: row 1: column timestamps is null, which it never may be"},
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			values, timestamps, _ := strings.Cut(sql, ", ")
			text := "SELECT " + values + "::float8[], " + timestamps + "::timestamptz[]"
			rows := 0
			for got, err := range pgrow.Stream(t.Context(), pool, "lists", text, nil, columns, (*lists).decode) {
				if want.fault == "" && err != nil || want.fault != "" && (err == nil || !strings.Contains(err.Error(), want.fault)) {
					t.Errorf("got %v, want %q", err, want.fault)
				}
				if diff := cmp.Diff(want.row, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				rows++
			}
			if rows != 1 {
				t.Errorf("%d rows", rows)
			}
		})
	}
}

// An endless answer ends as soon as the loop is left.
func TestStreamStopsAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	rows := 0
	for _, err := range numbers(t.Context(), pool, endless) {
		if rows++; rows == 10 || err != nil {
			break
		}
	}
	if rows != 10 {
		t.Errorf("%d rows", rows)
	}
	// The session is not handed to the next one who asks.
	var one int
	if err := pool.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("afterwards: %d, %v", one, err)
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Empty(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, last = range numbers(ctx, pool, endless) {
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v, want %v", last, context.Canceled)
	}
}

// One iteration is a row.
func BenchmarkStream(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Empty(b))
	b.ReportAllocs()
	b.ResetTimer()
	for _, err := range numbers(b.Context(), pool, "SELECT generate_series(1, $1::integer)", int32(b.N)) {
		if err != nil {
			b.Fatal(err)
		}
	}
}
