//go:build soak

package endtoend_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// soakTime names the variable that says how long the faults go on.
const soakTime = "SOAK"

// TestSoak breaks something of a whole system every few seconds, for as long as SOAK
// says: the processes are those of the binary, and whoever dies is started again, as
// systemd does. At the end the target has to be what the source is, and neither memory
// nor sessions may have grown. docs/soak.md has what it prints.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(soakTime))
	if err != nil {
		t.Fatalf("%s=%s has to be a time such as 20m", soakTime, os.Getenv(soakTime))
	}
	f := newFarm(t)
	seed := uint64(time.Now().UnixNano())
	if *faultSeed != 0 {
		seed = *faultSeed
	}
	f.rand = rand.New(rand.NewPCG(seed, 0))
	stop := f.watch(t)
	faults, hits := f.faults(t), map[string]int{}
	begin := time.Now()
	for time.Since(begin) < length {
		f.change(t)
		only := []string{"all", "stale", "missing"}[f.rand.IntN(3)]
		_, _ = f.delfos("runs", "start", "--from", f.first, "--to", f.last, "--only", only) // the orchestrator may be away
		<-time.After(f.upTo(time.Second))
		name := slices.Sorted(maps.Keys(faults))[f.rand.IntN(len(faults))]
		faults[name]()
		hits[name]++
		<-time.After(time.Second + f.upTo(3*time.Second))
	}
	stop()
	f.settle(t)
	report := f.report(t, seed, time.Since(begin), hits)
	t.Log("\n" + report)
	f.judge(t)
}

// faults are what can be done to the system, by name.
func (f *farm) faults(t *testing.T) map[string]func() {
	t.Helper()
	victims := f.processes[:len(f.processes)-1] // the last one lives through all of it
	return map[string]func(){
		"kill -9 of a process": func() { f.pick(victims).signal(syscall.SIGKILL) },
		"SIGSTOP, then SIGCONT": func() {
			p := f.pick(f.processes)
			p.signal(syscall.SIGSTOP)
			time.AfterFunc(time.Second+f.upTo(20*time.Second), func() { p.signal(syscall.SIGCONT) }) // a lease is 15 s
		},
		"connections to the target cut": func() { f.cut.cut(false) },
		"COMMIT lost or unanswered": func() {
			n := f.rand.IntN(2)
			f.cut.atCommit(func() fate { return fate(n) })
		},
		"answer of the source API cut":     func() { f.gateway.spoil(cutAt(f.rand.IntN(200_000))) },
		"answer of the source API changed": func() { f.gateway.spoil(flipBit()) },
		"sessions ended": func() {
			pool := f.source
			if f.rand.IntN(2) == 0 {
				pool = f.target
			}
			pgtest.Exec(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'delfos%'`)
		},
		"PostgreSQL restarted": func() { f.clusters[f.rand.IntN(2)].restart(t, false) },
		"PostgreSQL killed":    func() { f.clusters[f.rand.IntN(2)].restart(t, true) },
		"run cancelled, retried": func() {
			run := fmt.Sprint(pgtest.Query[int64](t, f.target, "SELECT coalesce(max(id), 1) FROM run"))
			_, _ = f.delfos("runs", "cancel", run)
			<-time.After(f.upTo(time.Second))
			_, _ = f.delfos("runs", "retry", run)
		},
	}
}

// change writes new readings of an hour by delfos import, or removes some of a quarter.
func (f *farm) change(t *testing.T) {
	t.Helper()
	first := date(f.first)
	at := first.Add(time.Duration(f.rand.IntN(soakDays*24)) * time.Hour)
	turbine := 1 + f.rand.IntN(soakTurbines)
	if f.rand.IntN(3) == 0 {
		pgtest.Exec(t, f.source, "DELETE FROM data WHERE turbine_id = $1 AND timestamp >= $2 AND timestamp < $2::timestamptz + interval '15 min'", turbine, at)
		return
	}
	var late strings.Builder
	late.WriteString("timestamp,turbine_id,wind_speed,power,ambient_temperature\n")
	for minute := range 60 {
		fmt.Fprintf(&late, "%s,%d,%.3f,%.2f,%.2f\n", at.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), turbine, 25*f.rand.Float64(), 2000*f.rand.Float64(), 30*f.rand.Float64())
	}
	file := filepath.Join(t.TempDir(), "late.csv")
	if err := os.WriteFile(file, []byte(late.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := f.delfos("import", file); err != nil {
		t.Fatalf("import: %v: %s", err, out)
	}
}

// settle ends the faults and waits for what is queued; then everything that changed
// since it was loaded is loaded.
func (f *farm) settle(t *testing.T) {
	t.Helper()
	f.gateway.spoil()
	f.cut.atCommit(nil)
	for _, p := range f.processes {
		p.signal(syscall.SIGCONT)
	}
	await.Value(t, "the queue is empty", func() (int, bool) {
		n := pgtest.Query[int](t, f.target, "SELECT count(*) FROM run_partition WHERE outcome IS NULL")
		return n, n == 0
	})
	for _, only := range []string{"failed", "missing", "stale"} {
		if out, err := f.delfos("runs", "start", "--from", f.first, "--to", f.last, "--only", only, "--wait"); err != nil {
			t.Errorf("the last run of %s days: %v: %s", only, err, out)
		}
	}
}

// judge holds the target against the source in two ways: delfos verify, and the
// aggregates of PostgreSQL.
func (f *farm) judge(t *testing.T) {
	t.Helper()
	if out, err := f.delfos("verify"); err != nil {
		t.Errorf("verify: %v: %s", err, out)
	}
	near(t, f.values(t), f.expected(t))
	f.noOverlap(t)
	for what, sql := range map[string]string{
		"values that are there twice":   "SELECT count(*) - count(DISTINCT (turbine_id, signal_id, timestamp)) FROM data",
		"jobs that count as under way":  "SELECT count(*) FROM river.river_job WHERE state = 'running'",
		"days that are not loaded":      "SELECT count(*) FROM partition WHERE outcome <> 'done'",
		"days of runs without an end":   "SELECT count(*) FROM run_partition WHERE outcome IS NULL",
		"days that lack a partition":    fmt.Sprintf("SELECT %d - count(*) FROM partition WHERE day BETWEEN '%s' AND '%s'", soakDays, f.first, f.last),
		"sessions idle in transactions": "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name LIKE 'delfos%'",
	} {
		if n := pgtest.Query[int](t, f.target, sql); n != 0 {
			t.Errorf("%s: got %d, want none", what, n)
		}
	}
	for name, series := range f.series {
		first, last := quarters(series)
		if last > first+first/2+20 {
			t.Errorf("%s grew from %d in the first quarter to %d in the last", name, first, last)
		}
	}
}

// report is the table of docs/soak.md.
func (f *farm) report(t *testing.T, seed uint64, length time.Duration, hits map[string]int) string {
	t.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	total, ends := 0, 0
	for _, n := range hits {
		total += n
	}
	for _, p := range f.processes {
		ends += p.ended()
	}
	fmt.Fprintf(w, "seed %d, %s, %d faults\n\n", seed, length.Round(time.Second), total)
	for _, name := range slices.Sorted(maps.Keys(hits)) {
		fmt.Fprintf(w, "%s\t%d\n", name, hits[name])
	}
	fmt.Fprintf(w, "processes that ended, killed ones included\t%d\n", ends)
	for _, line := range []struct{ what, sql string }{
		{"runs", "SELECT count(*) FROM run"},
		{"attempts at days", "SELECT count(*) FROM attempt"},
		{"of them failed or lost", "SELECT count(*) FROM attempt WHERE outcome IS DISTINCT FROM 'done'"},
		{"values in the target", "SELECT count(*) FROM data"},
	} {
		fmt.Fprintf(w, "%s\t%d\n", line.what, pgtest.Query[int](t, f.target, line.sql))
	}
	fmt.Fprintf(w, "\nmedian\tfirst quarter\tlast quarter\n")
	for _, name := range slices.Sorted(maps.Keys(f.series)) {
		first, last := quarters(f.series[name])
		fmt.Fprintf(w, "%s\t%d\t%d\n", name, first, last)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// quarters are the medians of the first and the last quarter.
func quarters(series []int) (first, last int) {
	if len(series) < 4 {
		return 0, 0
	}
	quarter := len(series) / 4
	median := func(part []int) int { return slices.Sorted(slices.Values(part))[len(part)/2] }
	return median(series[:quarter]), median(series[len(series)-quarter:])
}

// watch measures every process and the sessions until the returned function is called.
func (f *farm) watch(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	f.series = map[string][]int{}
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, p := range f.processes {
				if rss, files, ok := p.measure(); ok {
					f.series["MiB of the "+p.name] = append(f.series["MiB of the "+p.name], rss)
					f.series["open files of the "+p.name] = append(f.series["open files of the "+p.name], files)
				}
			}
			for name, pool := range map[string]*pgxpool.Pool{"source": f.source, "target": f.target} {
				var n int // a server that is being restarted has none
				if err := pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'delfos%'").Scan(&n); err == nil {
					f.series["sessions of the "+name] = append(f.series["sessions of the "+name], n)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}
