package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The header is skipped by its name (HEADER MATCH), empty fields become NULL,
// and every value is as it was, to the last bit.
func TestPsqlReadsCSV(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "data.csv")
	if err := os.WriteFile(path, b.get(all+"&format=csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	psql := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname="+b.database,
		"--command=CREATE TABLE copied (timestamp timestamptz, turbine_id integer, wind_speed float8, power float8, ambient_temperature float8)",
		`--command=\copy copied FROM '`+path+`' WITH (FORMAT csv, HEADER match)`)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	var copied, differ int
	if err := b.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM copied), (SELECT count(*) FROM (
		SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature FROM data
		EXCEPT SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature FROM copied) AS d)`).Scan(&copied, &differ); err != nil {
		t.Fatal(err)
	}
	if copied != 72_000 || differ != 0 {
		t.Errorf("%d rows were copied, and %d of 72,000 samples are not among them", copied, differ)
	}
}
