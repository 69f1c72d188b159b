package pgrow_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// The generated reader reads random rows as a Scan does, and hashes them as the
// database does.
func TestGeneratedReader(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Source(t))
	for _, statement := range []string{
		"INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(1, 3) AS i ON CONFLICT DO NOTHING",
		`INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
		SELECT
			turbine, '2000-01-01Z'::timestamptz + (random() * 200 - 100) * interval '1 year',
			CASE WHEN random() < 0.7 THEN random() * 25 END,
			CASE WHEN random() < 0.7 THEN (random() - 0.5) * power(10, random() * 600 - 300) END,
			CASE WHEN random() < 0.7 THEN round(random() * 3) - 1 END
		FROM generate_series(1, 3) AS turbine, generate_series(1, 1000)`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	type scanned struct {
		TurbineID int32
		Timestamp time.Time
		Readings  [3]*float64
		Hash      int64
	}
	found, err := pool.Query(t.Context(), `SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature,
		hash_record_extended(row(turbine_id, timestamp, wind_speed, power, ambient_temperature), 8816678312871386365)
		FROM data ORDER BY turbine_id, timestamp`)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (s scanned, err error) {
		err = row.Scan(&s.TurbineID, &s.Timestamp, &s.Readings[0], &s.Readings[1], &s.Readings[2], &s.Hash)
		return s, err
	})
	if err != nil || len(want) != 3000 {
		t.Fatalf("%d rows, %v", len(want), err)
	}
	asked := sourcedb.ReadSamplesParams{
		TurbineIds: []int32{1, 2, 3}, Start: time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	var got []scanned
	for row, err := range sourcedb.New(pool).ReadSamples(t.Context(), asked) {
		if err != nil {
			t.Fatal(err)
		}
		s := scanned{TurbineID: row.TurbineID, Timestamp: row.Timestamp.Time(), Hash: int64(row.Hash())}
		values := row.Values()
		if values[0] != pgrow.OfInt32(row.TurbineID) || values[1] != pgrow.OfTimestamp(row.Timestamp) {
			t.Errorf("values %v of %v", values, row)
		}
		for i := range s.Readings {
			if row.Readings[i] != (sql.Null[float64]{}) {
				s.Readings[i] = new(values[2+i].Float64())
			} else if !values[2+i].Null() {
				t.Errorf("values %v of %v", values, row)
			}
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("(-scanned +streamed):\n%s", diff)
	}
}
