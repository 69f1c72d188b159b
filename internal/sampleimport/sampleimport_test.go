package sampleimport_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const header = "timestamp,wind_speed,power,ambient_temperature\n"

func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
}

// file returns a File of the given text.
func file(name, text string) sampleimport.File {
	return sampleimport.File{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

func run(t *testing.T, pool *pgxpool.Pool, want sampleimport.Counts, files ...sampleimport.File) {
	t.Helper()
	got, err := sampleimport.Run(t.Context(), pool, files, sampleimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Counts); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// rows returns what data holds, a line of text a row, in the key's order.
func rows(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	found, err := pool.Query(t.Context(), `
		SELECT concat_ws(' ', turbine_id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
			coalesce(wind_speed::text, '-'), coalesce(power::text, '-'), coalesce(ambient_temperature::text, '-'))
		FROM data ORDER BY turbine_id, timestamp`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func turbines(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var s string
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(id || '=' || name, ', ' ORDER BY id) FROM turbine`).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRun(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	run(t, pool, sampleimport.Counts{Inserted: 5},
		file("a.csv", "\ufeff"+strings.ReplaceAll(header, "\n", "\r\n")+
			"2025-01-02T00:01:00.000001,8.5,-12,\r\n2025-01-01T00:00:00+02:00,,1e9,21\r\n"),
		file("b.csv", "power,turbine_id,ambient_temperature,timestamp,wind_speed\n"+
			"1,30,2,2025-01-02,3\n4,7,5,2025-01-02,6\n,7,,2025-01-01,\n"),
		file("c.csv", header),
	)
	want := []string{
		"1 2024-12-31 22:00:00.000000 - 1000000000 21",
		"1 2025-01-02 00:01:00.000001 8.5 -12 -",
		"7 2025-01-01 00:00:00.000000 - - -",
		"7 2025-01-02 00:00:00.000000 6 4 5",
		"30 2025-01-02 00:00:00.000000 3 1 2",
	}
	if diff := cmp.Diff(want, rows(t, pool)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got, want := turbines(t, pool), "1=Turbine 1, 7=Turbine 7, 30=Turbine 30"; got != want {
		t.Errorf("turbines: got %s, want %s", got, want)
	}
}

func TestRunAgainUpdates(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	run(t, pool, sampleimport.Counts{Inserted: 4}, file("a.csv", header+
		"2025-01-01,1,1,1\n2025-01-02,2,2,2\n2025-01-03,,3,3\n2025-01-04,4,,4\n"))
	run(t, pool, sampleimport.Counts{Unchanged: 4}, file("a.csv", header+
		"2025-01-04,4,,4\n2025-01-03,,3,3\n2025-01-02,2,2,2\n2025-01-01,1,1,1\n"))
	run(t, pool, sampleimport.Counts{Inserted: 1, Updated: 3, Unchanged: 1}, file("a.csv", header+
		"2025-01-01,1,1,1\n2025-01-02,2,,2\n2025-01-03,3,3,3\n2025-01-04,4,,5\n2025-01-05,5,5,5\n"))
	want := []string{
		"1 2025-01-01 00:00:00.000000 1 1 1",
		"1 2025-01-02 00:00:00.000000 2 - 2",
		"1 2025-01-03 00:00:00.000000 3 3 3",
		"1 2025-01-04 00:00:00.000000 4 - 5",
		"1 2025-01-05 00:00:00.000000 5 5 5",
	}
	if diff := cmp.Diff(want, rows(t, pool)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestFaultsImportNothing(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	run(t, pool, sampleimport.Counts{Inserted: 1}, file("before.csv", header+"2025-01-01,1,1,1\n"))

	// Enough rows that many are at the server when the fault is read.
	var long strings.Builder
	long.WriteString(header)
	for m := range 100_000 {
		fmt.Fprintf(&long, "%s,2,2,2\n", time.Date(2025, 1, 1, 0, m, 0, 0, time.UTC).Format(time.RFC3339))
	}
	fails := errors.New("it fails")
	withTurbine := "turbine_id,timestamp,wind_speed,power,ambient_temperature\n"
	const zones = "the files have no offsets, and --time-zone tells apart the hour that comes twice when clocks go back"
	missing := filepath.Join(t.TempDir(), "missing.csv")
	for name, tt := range map[string]struct {
		files []sampleimport.File
		want  string
	}{
		"no file": {nil, "import: no file is given"},
		"a bad number after many good ones": {
			[]sampleimport.File{file("samples.csv", long.String()+"2026-01-01,1,\"12,5\",1\n")},
			`samples.csv: line 100002: power: "12,5" is not a number such as -12.5 or 1e3; --decimal comma tells another decimal sign`,
		},
		"a fault in the last file": {
			[]sampleimport.File{file("a.csv", long.String()), file("b.csv", withTurbine+"9,2026-01-01,1,1,NaN\n")},
			`b.csv: line 2: ambient_temperature: "NaN" is not a number such as -12.5 or 1e3; --null "NaN" makes it a missing reading`,
		},
		"an empty file among others": {
			[]sampleimport.File{file("a.csv", header+"2026-01-01,1,1,1\n"), file("b.csv", "")},
			"b.csv: line 1: the header is missing: wanted are timestamp, at least one of wind_speed, power, ambient_temperature, " +
				"and turbine_id or turbine if there are several turbines",
		},
		"a key twice in a file": {
			[]sampleimport.File{file("a.csv", header+"2025-01-02T01:00:00+01:00,1,1,1\n2025-01-03,1,1,1\n\n2025-01-02,1,1,2\n2025-01-03,1,1,1\n")},
			"a.csv: line 5: timestamp: 2025-01-02T00:00:00Z of turbine 1 disagrees with a.csv: line 2; " + zones,
		},
		"a key twice over files": {
			[]sampleimport.File{
				file("a.csv", header+"2025-01-02,1,1,1\n2025-01-03,1,1,1\n"),
				file("-", withTurbine+"8,2025-01-02,1,1,1\n8,2025-01-03,1,1,1\n1,2025-01-03T00:00Z,1,,1\n1,2025-01-02,1,1,2\n"),
			},
			"-: line 4: timestamp: 2025-01-03T00:00:00Z of turbine 1 disagrees with a.csv: line 3; " + zones,
		},
		"a file that is not there": {
			[]sampleimport.File{file("a.csv", long.String()), {Name: missing, Open: func() (io.ReadCloser, error) { return os.Open(missing) }}},
			missing + ": open: no such file or directory",
		},
		"a folder": {
			[]sampleimport.File{{Name: "data", Open: func() (io.ReadCloser, error) { return os.Open(t.TempDir()) }}},
			"data: read: is a directory",
		},
		"a file that does not open": {
			[]sampleimport.File{{Name: "a.csv", Open: func() (io.ReadCloser, error) { return nil, fails }}},
			"a.csv: it fails",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sampleimport.Run(t.Context(), pool, tt.files, sampleimport.Options{})
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got.Counts != (sampleimport.Counts{}) {
				t.Errorf("result of a failed import: %+v", got)
			}
			if diff := cmp.Diff([]string{"1 2025-01-01 00:00:00.000000 1 1 1"}, rows(t, pool)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if got := turbines(t, pool); got != "1=Turbine 1" {
				t.Errorf("turbines: got %s, want turbine 1 alone", got)
			}
		})
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	_, err := sampleimport.Run(t.Context(), pool, []sampleimport.File{
		{Name: "missing.csv", Open: func() (io.ReadCloser, error) { return os.Open("missing.csv") }},
	}, sampleimport.Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want one that is %v", err, fs.ErrNotExist)
	}
	_, err = sampleimport.Run(t.Context(), pool, []sampleimport.File{file("a.csv", header+"2025-01-01,1,x,1\n")}, sampleimport.Options{})
	fault, ok := errors.AsType[*sampleimport.Error](err)
	if !ok || fault.File != "a.csv" || fault.Line != 2 || fault.Column != "power" {
		t.Errorf("got %#v", err)
	}
}

// TestReference imports what the replaced system exported.
func TestReference(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	reference := sampleimport.File{Name: "samples.csv", Open: func() (io.ReadCloser, error) {
		f, err := os.Open("../../testdata/samples.csv.gz")
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(f)
		return struct {
			io.Reader
			io.Closer
		}{z, f}, err
	}}
	run(t, pool, sampleimport.Counts{Inserted: 14_400}, reference)
	run(t, pool, sampleimport.Counts{Unchanged: 14_400}, reference)

	// The first and the last line of the file, digit for digit.
	var first, last string
	const text = `SELECT concat_ws(',', to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), wind_speed, power, ambient_temperature)
		FROM data ORDER BY timestamp `
	if err := errors.Join(
		pool.QueryRow(t.Context(), text+"LIMIT 1").Scan(&first),
		pool.QueryRow(t.Context(), text+"DESC LIMIT 1").Scan(&last),
	); err != nil {
		t.Fatal(err)
	}
	if want := "2025-01-01T00:00:00Z,6.745071229516849,304.1609353504075,21.37603353156648"; first != want {
		t.Errorf("first row: got %s, want %s", first, want)
	}
	if want := "2025-01-10T23:59:00Z,6.369176559564876,287.0568176333097,27.670013660303162"; last != want {
		t.Errorf("last row: got %s, want %s", last, want)
	}
}

func TestImportsAtOnce(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	var (
		wg      sync.WaitGroup
		errs    [4]error
		results [4]sampleimport.Result
	)
	for i := range errs {
		// The same keys in opposite orders: unsorted writes would deadlock.
		var text strings.Builder
		text.WriteString("turbine_id," + header)
		for n := range 5_000 {
			if i%2 == 1 {
				n = 4_999 - n
			}
			fmt.Fprintf(&text, "%d,%s,1,2,3\n", n%10+1, time.Date(2025, 1, 1, 0, n/10, 0, 0, time.UTC).Format(time.RFC3339))
		}
		wg.Go(func() {
			results[i], errs[i] = sampleimport.Run(t.Context(), pool, []sampleimport.File{file("a.csv", text.String())}, sampleimport.Options{})
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	var sum sampleimport.Counts
	for _, r := range results {
		sum.Inserted += r.Inserted
		sum.Updated += r.Updated
		sum.Unchanged += r.Unchanged
	}
	if diff := cmp.Diff(sampleimport.Counts{Inserted: 5_000, Unchanged: 15_000}, sum); diff != "" {
		t.Errorf("results together (-want +got):\n%s", diff)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	a := header + strings.TrimSuffix("2025-01-01,1,1,1\n", "\n")
	b := header
	var got []int64
	_, err := sampleimport.Run(t.Context(), pool, []sampleimport.File{file("a.csv", a), file("b.csv", b)},
		sampleimport.Options{Progress: func(n int64) { got = append(got, n) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || got[0] != int64(len(a)) || got[len(got)-1] != int64(len(a)+len(b)) {
		t.Errorf("got %v, want from %d to %d", got, len(a), len(a)+len(b))
	}
}

func TestCancelledImport(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	// A standard input that has sent its header and then nothing more.
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	done := make(chan error, 1)
	go func() {
		_, err := sampleimport.Run(ctx, pool, []sampleimport.File{
			{Name: "-", Open: func() (io.ReadCloser, error) { return in, nil }},
		}, sampleimport.Options{})
		done <- err
	}()
	if _, err := io.WriteString(out, header+"2025-01-01,1,1,1\n"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	if got := rows(t, pool); len(got) != 0 {
		t.Errorf("rows: got %v, want none", got)
	}
}
