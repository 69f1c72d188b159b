package pgrow_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// rows are what a column may hold, awkward values first, and some thousands of
// random ones with NULLs between.
const rows = `
WITH sample (i, t, a, b) AS (
	VALUES
		(1, '2025-01-01Z'::timestamptz, 6.745::double precision, NULL::double precision),
		(2147483647, '1999-12-31 23:59:59.999999Z', 0, '-0'),
		(-2147483648, '0001-01-01Z', 1e300, -1e-300),
		(0, '9999-12-31 23:59:59.999999Z', '5e-324', 'Infinity'),
		(NULL::integer, NULL::timestamptz, NULL, NULL::double precision),
		(-1, '2000-01-01Z', 0.1, -0.1),
		(-1, '2000-01-01Z', NULL, 0),
		(-1, '2000-01-01Z', 0, NULL)
	UNION ALL
	SELECT
		(random() * 4e9 - 2e9)::integer,
		'2000-01-01Z'::timestamptz + random() * interval '200 years' - interval '100 years',
		CASE WHEN random() < 0.9 THEN random() * 25 END,
		(random() - 0.5) * power(10, random() * 40 - 20)
	FROM generate_series(1, 5000)
)
SELECT i, t, a, b, hash_record_extended(row(i, t, a, b), 8816678312871386365) FROM sample`

func TestHashIsPostgreSQLs(t *testing.T) {
	t.Parallel()
	found, err := pgtest.Pool(t, pgtest.Empty(t)).Query(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	seen := map[uint64]int{}
	var i *int32
	var at *time.Time
	var a, b *float64
	var want int64
	_, err = pgx.ForEachRow(found, []any{&i, &at, &a, &b, &want}, func() error {
		n++
		var h pgrow.Hash
		add(&h, i, h.Int32)
		if at == nil {
			h.Null()
		} else {
			h.Timestamp(pgrow.Micros(at.UnixMicro()))
		}
		add(&h, a, h.Float64)
		add(&h, b, h.Float64)
		if got := uint64(h); got != uint64(want) {
			t.Errorf("row %d hashes to %016x, in the database to %016x", n, got, uint64(want))
		}
		if seen[uint64(h)]++; seen[uint64(h)] > 1 {
			t.Errorf("row %d hashes as another one", n)
		}
		return nil
	})
	if err != nil || n != 5008 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func add[T any](h *pgrow.Hash, v *T, of func(T)) {
	if v == nil {
		h.Null()
		return
	}
	of(*v)
}

// One iteration is a sample: five columns, 0 allocations.
func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	var xor uint64
	reading := 1.0
	for at := pgrow.Micros(0); b.Loop(); at++ {
		reading++
		var h pgrow.Hash
		h.Int32(1)
		h.Timestamp(at)
		h.Float64(reading)
		h.Float64(reading)
		h.Float64(reading)
		xor ^= uint64(h)
	}
	if xor == 1 {
		b.Log(xor)
	}
}
