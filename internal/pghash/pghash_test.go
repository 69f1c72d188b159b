package pghash_test

import (
	"encoding/binary"
	"testing"

	"github.com/delfos/delfos/internal/pghash"
	"github.com/delfos/delfos/internal/pgstream"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

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

func TestRecordIsPostgreSQLs(t *testing.T) {
	t.Parallel()
	n := 0
	seen := map[uint64]int{}
	err := pgstream.Read(t.Context(), pgtest.Pool(t, pgtest.Empty(t)), "hash rows", rows, nil, func(raw [][]byte) error {
		n++
		var r pghash.Record
		r.Int32(raw[0])
		r.Timestamp(raw[1])
		r.Float64(raw[2])
		r.Float64(raw[3])
		if got, want := uint64(r), binary.BigEndian.Uint64(raw[4]); got != want {
			t.Errorf("row %d (%x) hashes to %016x, in the database to %016x", n, raw[:4], got, want)
		}
		if seen[uint64(r)]++; seen[uint64(r)] > 1 {
			t.Errorf("row %d (%x) hashes as another one", n, raw[:4])
		}
		return nil
	})
	if err != nil || n != 5008 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// One iteration is a sample: five columns, 0 allocations.
func BenchmarkRecord(b *testing.B) {
	id, at, reading := make([]byte, 4), make([]byte, 8), make([]byte, 8)
	b.ReportAllocs()
	var xor uint64
	for b.Loop() {
		at[7]++
		reading[5]++
		var r pghash.Record
		r.Int32(id)
		r.Timestamp(at)
		r.Float64(reading)
		r.Float64(reading)
		r.Float64(reading)
		xor ^= uint64(r)
	}
	if xor == 1 {
		b.Log(xor)
	}
}
