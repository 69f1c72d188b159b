package endtoend_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// forever is a fault that never answers; reached is closed when the request
// has come.
func forever() (f fault, reached chan struct{}) {
	reached = make(chan struct{})
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		close(reached)
		<-r.Context().Done()
		return true
	}, reached
}

// TestManyDaysThroughFewSessions has more days under way than sessions to claim
// them with: each must get on without another's session.
func TestManyDaysThroughFewSessions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const days = 6
	s.hours(t, days, 1)
	job := s.newJob(t, s.targetURL+"&pool_max_conns=2")
	var work sync.WaitGroup
	for day := range days {
		r := request(1)
		r.From = r.From.AddDate(0, 0, day)
		r.To = r.From
		for range 2 {
			work.Go(func() {
				if got, err := job.Run(t.Context(), r); err != nil || got.Done != 1 {
					t.Errorf("run of %s: got %d done, %v, want 1", got.From, got.Done, err)
				}
			})
		}
	}
	work.Wait()
	near(t, s.values(t), s.expected(t))
	s.noOverlap(t)
}

// TestSessionEndedWhileTheSourceHangs shows that the load's failure is told, and
// at once, though the extraction waits for an answer that never comes.
func TestSessionEndedWhileTheSourceHangs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, twoGroups)
	hung, reached := forever()
	s.gateway.spoil(pass, hung)
	go func() {
		<-reached
		pgtest.Exec(t, s.target, "SELECT pg_terminate_backend(claim_pid) FROM partition")
	}()
	_, err := s.job.Run(t.Context(), request(1))
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "57P01" || errors.Is(err, extract.ErrAway) {
		t.Errorf("run: got %v, want that the session was ended", err)
	}
	if outcome := pgtest.Query[string](t, s.target, "SELECT outcome FROM partition"); outcome != "failed" {
		t.Errorf("ledger: got %s, want failed", outcome)
	}
	s.run(t, 1)
	near(t, s.values(t), s.expected(t))
}

// TestCancelled ends a run at several points. The day under way is as it was,
// and the ledger shows that nothing goes on.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for name, reload := range map[string]bool{"a first load": false, "a reload": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 2, twoGroups)
			if reload {
				s.run(t, 2)
				pgtest.Exec(t, s.source, everyWindow)
			}
			want := s.values(t)
			hung, reached := forever()
			s.gateway.spoil(pass, hung)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-reached
				cancel()
			}()
			got, err := s.job.Run(ctx, request(2))
			if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "attempts") {
				t.Errorf("run: got %v, want %v alone", err, context.Canceled)
			}
			if got.Cancelled != 1 || len(got.Partitions) != 1 || got.Partitions[0].Outcome != enum.OutcomeCancelled {
				t.Errorf("summary: got %+v, want the first day cancelled and no other", got)
			}
			same(t, s.values(t), want, 0)
			s.noOverlap(t)
			left := pgtest.Query[int](t, s.target, `SELECT count(*) FROM run_partition
				WHERE run_id = (SELECT max(id) FROM run) AND outcome IS DISTINCT FROM 'cancelled'`)
			if left != 0 {
				t.Errorf("%d of the run's days are not cancelled", left)
			}
			outcome := "cancelled"
			if reload {
				outcome = "done"
			}
			if got := pgtest.Query[string](t, s.target, "SELECT outcome FROM partition WHERE day = '2025-01-01'"); got != outcome {
				t.Errorf("the day: got %s, want %s", got, outcome)
			}
		})
	}
}

// TestBrokenTurbineDoesNotStopTheRange has a connection that is reset, which
// looks like the target's own, whenever one turbine is asked for.
func TestBrokenTurbineDoesNotStopTheRange(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 2, 2)
	s.gateway.spoilAll(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		return r.URL.Query().Get("start") == "2025-01-01T00:00:00Z" && reset(w, r, next)
	})
	got, err := s.job.Run(t.Context(), request(2))
	var broken *extract.BrokenError
	if !errors.As(err, &broken) || len(broken.Turbines) != 2 {
		t.Errorf("run: got %v, want both turbines of the first day to be broken", err)
	}
	if got.Failed != 1 || got.Done != 1 {
		t.Errorf("summary: got %d failed, %d done, want 1 and 1", got.Failed, got.Done)
	}
}

// TestEmptiedSourceWithABrokenTurbine must not pass for a day of which all but
// one turbine may be emptied.
func TestEmptiedSourceWithABrokenTurbine(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 1, 2)
	s.run(t, 1)
	want := s.values(t)
	pgtest.Exec(t, s.source, "DELETE FROM data")
	s.gateway.spoilAll(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		return strings.Contains(r.URL.RawQuery, "turbines=2") && status(500)(w, r, next)
	})
	if _, err := s.job.Run(t.Context(), request(1)); err == nil {
		t.Error("run: got no error")
	}
	same(t, s.values(t), want, 0)
}
