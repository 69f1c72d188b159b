package sampleimport_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// Turbines that are known are found by name, new ones are numbered behind the last, and
// a second import finds them.
func TestTurbinesByName(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	pgtest.Exec(t, pool, "INSERT INTO turbine (id, name) VALUES (7, 'North')")
	const text = "turbine,timestamp,power\nR80711,2025-01-02,1\nNorth,2025-01-02,2\nR80721,2025-01-02,3\nR80711,2025-01-03,4\n"
	for range 2 {
		if _, _, err := importing(t, pool, sampleimport.Options{}, file("a.csv", text)); err != nil {
			t.Fatal(err)
		}
		if got, want := turbines(t, pool), "1=Turbine 1, 7=North, 8=R80711, 9=R80721"; got != want {
			t.Errorf("turbines: got %s, want %s", got, want)
		}
	}
	want := []string{"7 2025-01-02 00:00:00.000000 - 2 -", "8 2025-01-02 00:00:00.000000 - 1 -", "8 2025-01-03 00:00:00.000000 - 4 -", "9 2025-01-02 00:00:00.000000 - 3 -"}
	if got := rows(t, pool); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	pgtest.Exec(t, pool, "INSERT INTO turbine (id, name) VALUES (20, 'North')")
	_, _, err := importing(t, pool, sampleimport.Options{}, file("a.csv", text))
	if err == nil || !strings.Contains(err.Error(), `line 3: turbine: "North" is the name of turbines 7 and 20`) {
		t.Errorf("a name that two have: got %v", err)
	}
}

// --turbine is an id or a name, of files that name none.
func TestTurbineThatIsTold(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	for turbine, want := range map[string]string{"77": "77 2025-01-02T00:00:00Z - 1 -", "Turbine 1": "1 2025-01-02T00:00:00Z - 1 -"} {
		samples, _, err := importing(t, pool, sampleimport.Options{Turbine: turbine}, file("a.csv", "timestamp,power\n2025-01-02,1\n"))
		if err != nil || !slices.Equal(samples, []string{want}) {
			t.Errorf("%s: got %q, %v, want %q", turbine, samples, err, want)
		}
	}
	_, _, err := importing(t, pool, sampleimport.Options{Turbine: "77"}, file("a.csv", "turbine_id,timestamp,power\n1,2025-01-02,1\n"))
	if err == nil || !strings.Contains(err.Error(), "a column holds the turbine; --turbine is for files without one") {
		t.Errorf("told twice: got %v", err)
	}
}

// The interval that is told is stored with the turbines of the files; one that the rows
// do not have is warned of.
func TestInterval(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	pgtest.Exec(t, pool, "INSERT INTO turbine (id, name) VALUES (2, 'South')")
	const text = "timestamp,power\n2025-01-02 00:00,1\n2025-01-02 00:10,1\n2025-01-02 00:20,1\n2025-01-02 00:50,1\n2025-01-02 01:00,1\n"
	intervals := func() string {
		return pgtest.Query[string](t, pool, "SELECT string_agg(id || ' ' || sample_interval, ', ' ORDER BY id) FROM turbine")
	}
	_, said, err := importing(t, pool, sampleimport.Options{}, file("a.csv", text))
	want := "turbine 1 (Turbine 1) has a sample every 10m0s, and its sample_interval is 1m0s; --interval 10m0s sets it"
	if err != nil || !slices.Contains(said, want) || intervals() != "1 00:01:00, 2 00:01:00" {
		t.Errorf("not told: %v, said %q, stored %s", err, said, intervals())
	}
	_, said, err = importing(t, pool, sampleimport.Options{Interval: 10 * time.Minute}, file("a.csv", text))
	if err != nil || len(said) != 0 || intervals() != "1 00:10:00, 2 00:01:00" {
		t.Errorf("told: %v, said %q, stored %s", err, said, intervals())
	}
	_, _, err = importing(t, pool, sampleimport.Options{Interval: 1500 * time.Millisecond}, file("a.csv", text))
	if err == nil || err.Error() != "import: interval is 1.5s: want whole seconds up to 24h, such as 10m" {
		t.Errorf("half seconds: got %v", err)
	}
}

// Numbers that loggers write for a missing reading are reported where they stand apart
// from all others, and only there.
func TestSentinels(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	const text = "timestamp,wind_speed,power\n2025-01-02 00:00,5,999\n2025-01-02 00:01,-9999,1000\n2025-01-02 00:02,-9999,998\n"
	_, said, err := importing(t, pool, sampleimport.Options{}, file("a.csv", text))
	want := "wind_speed is -9999 in 2 rows, apart from all others; --null -9999 takes it for a missing reading"
	if err != nil || !slices.Equal(said, []string{want}) {
		t.Errorf("got %q, %v, want %s", said, err, want)
	}
	samples, said, err := importing(t, pool, sampleimport.Options{Format: sampleimport.Format{Null: []string{"-9999"}}}, file("a.csv", text))
	if err != nil || len(said) != 0 || samples[1] != "1 2025-01-02T00:01:00Z - 1000 -" {
		t.Errorf("dropped: got %q, %q, %v", samples, said, err)
	}
}

// Rows that are the same in two files of one call are one row; rows that disagree are an
// error with both places.
func TestFilesThatShareRows(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	january := file("jan.csv", "timestamp,power\n2025-01-31 23:59,1\n2025-02-01,2\n")
	run(t, pool, sampleimport.Counts{Inserted: 3, Unchanged: 1}, january, file("feb.csv", "timestamp,power\n2025-02-01,2\n2025-02-01 00:01,3\n"))
	_, _, err := importing(t, pool, sampleimport.Options{}, january, file("feb.csv", "timestamp,power\n2025-02-01,2.5\n"))
	const want = "feb.csv: line 2: timestamp: 2025-02-01T00:00:00Z of turbine 1 disagrees with jan.csv: line 3"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A variable that the files lack keeps the value that is stored, and is missing in new rows.
func TestVariableThatTheFileLacks(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	run(t, pool, sampleimport.Counts{Inserted: 1}, file("a.csv", header+"2025-01-02,1,2,3\n"))
	run(t, pool, sampleimport.Counts{Inserted: 1, Updated: 1}, file("b.csv", "timestamp,power\n2025-01-02,20\n2025-01-03,30\n"))
	want := []string{"1 2025-01-02 00:00:00.000000 1 20 3", "1 2025-01-03 00:00:00.000000 - 30 -"}
	if got := rows(t, pool); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
