//go:build observability

package observability_test

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// Prometheus scrapes a system with the shipped configuration: every query of the dashboard
// has data, every metric of ours has a panel, and while all is well the watchdog alone fires.
// Then the system is broken in one way after the other, and each alert fires. The rules are
// the shipped ones with shorter times.
func TestAlertsFire(t *testing.T) {
	s := setup(t)
	s.await(t, "the days to be loaded", s.first, s.newest, enum.PartitionStateDone)
	p := startPrometheus(t, s.targets)

	t.Run("dashboard", func(t *testing.T) {
		s.get(t, "/partitions")
		for panel, exprs := range queries(t) {
			for _, expr := range exprs {
				await.True(t, panel+": "+expr+" to have data", func() bool {
					if slices.ContainsFunc(p.values(t, expr), func(v string) bool { return v != "NaN" }) {
						return true
					}
					s.awaitRun(t, s.start(t, s.newest, enum.RunScopeAll)) // so that there is something to see
					return false
				})
			}
		}
	})
	t.Run("metrics", func(t *testing.T) {
		dashboard := read(t, "observability/grafana/dashboards/delfos.json")
		for job, addr := range s.targets {
			response, err := http.Get("http://" + addr + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			told, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
			check.Stdin = bytes.NewReader(told)
			if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("promtool check metrics of %s: %v\n%s", job, err, out)
			}
			for _, metric := range regexp.MustCompile(`(?m)^# TYPE ((?:delfos|http|db)_\S+)`).FindAllSubmatch(told, -1) {
				if !regexp.MustCompile(string(metric[1]) + `(_bucket|_count|_sum)?\b`).MatchString(dashboard) {
					t.Errorf("%s of %s stands in no panel", metric[1], job)
				}
			}
		}
	})
	await.True(t, "the watchdog alone to fire", func() bool { return cmp.Equal(p.firing(t), []string{"Watchdog"}) })

	fired := map[string]bool{"Watchdog": true}
	breaks := []struct {
		alerts []string
		by     func(t *testing.T)
	}{
		{[]string{"SchedulePaused"}, func(t *testing.T) {
			t.Helper()
			s.pause(t, true)
		}},
		{[]string{"LateDataBacklog"}, func(t *testing.T) {
			t.Helper()
			pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1 WHERE timestamp = $1", s.first)
			_, err := s.control.Start(t.Context(), orchestrator.StartRequest{From: s.first, To: s.newest, Only: enum.RunScopeStale, DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
		}},
		{[]string{"ChecksBlocking"}, func(t *testing.T) {
			t.Helper()
			s.exec(t, "UPDATE check_rule SET severity = 'block', low = -1, high = 0 WHERE check_name = 'range' AND variable = 'wind_speed'")
			s.start(t, s.first, enum.RunScopeAll)
		}},
		{[]string{"EraseGuardRefused", "DayFailedTwice", "NoticesNotTaken"}, func(t *testing.T) {
			t.Helper()
			s.deaf.Store(true)
			pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= $1 AND timestamp < $2", s.newest, s.newest.AddDate(0, 0, 1))
			for range 2 {
				id := s.start(t, s.newest, enum.RunScopeAll)
				s.awaitRun(t, id)
			}
		}},
		{[]string{"SourceSuspect"}, func(t *testing.T) {
			t.Helper()
			pgtest.Exec(t, s.source, "DELETE FROM data")
			s.pause(t, false)
		}},
		{[]string{"QueueStuck"}, func(t *testing.T) {
			t.Helper()
			s.river(t, "pause")
			s.start(t, s.first, enum.RunScopeAll)
		}},
		{[]string{"ForwardProgressFailed", "DaysLate", "SourceUnreachable"}, func(t *testing.T) {
			t.Helper()
			s.away.Store(true)
			for _, table := range []string{"check_result", "attempt", "run_partition", "partition"} {
				s.exec(t, "DELETE FROM "+table+" WHERE day = $1", s.newest)
			}
		}},
		{[]string{"WorkerLost"}, func(t *testing.T) {
			t.Helper()
			held := make(chan struct{})
			t.Cleanup(func() { close(held) })
			s.held.Store(&held)
			s.away.Store(false)
			s.river(t, "resume")
			await.True(t, "a job to be taken from its worker", func() bool {
				tag, err := s.target.Exec(t.Context(), "UPDATE river.river_job SET attempted_by = '{gone}', attempted_at = now() - interval '1 minute' WHERE state = 'running'")
				if err != nil {
					t.Fatal(err)
				}
				return tag.RowsAffected() > 0
			})
		}},
		{[]string{"StaleDaysNotSwept"}, func(t *testing.T) {
			t.Helper()
			tx, err := s.target.Begin(t.Context()) // somebody who went for lunch
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { rollBack(t, tx) })
			if _, err := tx.Exec(t.Context(), "LOCK TABLE schedule IN EXCLUSIVE MODE"); err != nil {
				t.Fatal(err)
			}
		}},
		{[]string{"WorkerGone"}, func(*testing.T) { s.stopWorker() }},
		{[]string{"TargetUnreachable", "RequestsFail"}, func(t *testing.T) {
			t.Helper()
			s.way.Cut()
			await.True(t, "requests to fail for a while", func() bool {
				s.get(t, "/partitions")
				return slices.Contains(p.firing(t), "RequestsFail")
			})
		}},
	}
	for _, b := range breaks {
		t.Run(strings.Join(b.alerts, ","), func(t *testing.T) {
			b.by(t)
			p.awaitAlert(t, b.alerts...)
			for _, name := range b.alerts {
				fired[name] = true
			}
		})
	}
	for _, name := range alertNames(t) {
		if !fired[name] {
			t.Errorf("%s did not fire", name)
		}
	}
}

func rollBack(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Log(err)
	}
}

// What is shipped passes promtool, and the rules with their times do what their tests say.
func TestPromtool(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "observability", "prometheus")
	for _, args := range [][]string{{"check", "config", filepath.Join(dir, "prometheus.yaml")}, {"test", "rules", filepath.Join(dir, "rules_test.yaml")}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// start queues a day.
func (s *system) start(t *testing.T, day time.Time, only enum.RunScope) int64 {
	t.Helper()
	plan, err := s.control.Start(t.Context(), orchestrator.StartRequest{From: day, To: day, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return plan.RunID
}

func (s *system) pause(t *testing.T, paused bool) {
	t.Helper()
	if err := s.control.Pause(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
}

// await waits until each of some days is in a state.
func (s *system) await(t *testing.T, what string, from, to time.Time, want enum.PartitionState) {
	t.Helper()
	await.True(t, what, func() bool {
		grid, err := s.control.Grid(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range grid {
			if day.State != want {
				return false
			}
		}
		return true
	})
}

func (s *system) awaitRun(t *testing.T, id int64) {
	t.Helper()
	await.True(t, "the run to end", func() bool {
		run, err := s.control.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return run.State == enum.RunStateDone || run.State == enum.RunStateFailed || run.State == enum.RunStateCancelled
	})
}

// river pauses or resumes the queue, as its pages do.
func (s *system) river(t *testing.T, action string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.console+"/river/api/queues/partition/"+action, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s", action, response.Status)
	}
}

func (s *system) get(t *testing.T, path string) {
	t.Helper()
	response, err := http.Get(s.console + path)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}
