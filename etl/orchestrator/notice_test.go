package orchestrator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/notify"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// event is what a receiver needs of a CloudEvent.
type event struct {
	SpecVersion, ID, Source, Type, Subject, DataContentType string
	Time                                                    time.Time
	Data                                                    orchestrator.Notice
}

// receiver is somebody on call, whose server does not always work.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	down  bool // it answers 503
	deaf  bool // it takes an event, and its answer is lost
	tried int
	taken []event
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tried++
		if r.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if got := request.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("Authorization: got %q", got)
		}
		if got := request.Header.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("Content-Type: got %q", got)
		}
		var e event
		if err := json.NewDecoder(request.Body).Decode(&e); err != nil {
			t.Errorf("body: %v", err)
		}
		r.taken = append(r.taken, e)
		if r.deaf {
			r.deaf = false
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(down, deaf bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.deaf, r.tried = down, deaf, 0
}

// await waits until the receiver has taken n events.
func (r *receiver) await(t *testing.T, what string, n int) event {
	t.Helper()
	return await.Value(t, what, func() (event, bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.taken) < n {
			return event{}, false
		}
		return r.taken[n-1], true
	})
}

// Three orchestrators tell of each condition when it begins and when it ends: once, also
// when the receiver is away and all of them are started anew, and with the same id if an
// answer is lost. However many days fail, that is one notice.
func TestNotices(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	s.seed(t, 5)
	start := func() (workers []*worker, stop func()) {
		for range 3 {
			workers = append(workers, s.start(t, 1, func(c *orchestrator.Config) {
				c.Now = func() time.Time { return date("2025-01-06").Add(12 * time.Hour) }
				c.Schedule.StaleDays, c.Schedule.PartitionStart = 0, new(date("2025-01-05"))
				c.Notify = orchestrator.NotifyConfig{
					Receiver: notify.NewReceiver(r.URL+"/hook?key=k", "secret"), Every: 100 * time.Millisecond, Gather: time.Nanosecond,
				}
			}))
		}
		return workers, func() {
			for _, w := range workers {
				w.stop()
			}
		}
	}
	s.away.Store(true)
	r.set(true, false)
	pending := func(w *worker, n string) {
		t.Helper()
		const about = "# HELP delfos_notices_pending Notices that the receiver at NOTIFY_URL has not taken yet.\n# TYPE delfos_notices_pending gauge\n"
		if err := testutil.CollectAndCompare(w.Metrics(), strings.NewReader(about+"delfos_notices_pending "+n+"\n"), "delfos_notices_pending"); err != nil {
			t.Error(err)
		}
	}
	workers, stop := start()
	await.True(t, "the receiver to be asked while it is down", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.tried > 0
	})
	pending(workers[0], "1")
	stop()
	r.set(false, true)
	workers, _ = start()
	first, again := r.await(t, "the day to be told as late", 1), r.await(t, "the event to come again after its answer was lost", 2)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the event that came again (-first +again):\n%s", diff)
	}
	want := event{
		SpecVersion: "1.0", ID: first.ID, Source: "/delfos", Type: "delfos.day_late.begun", Subject: "2025-01-05", DataContentType: "application/json", Time: first.Time,
		Data: orchestrator.Notice{
			Message: "Day 2025-01-05 is late: it has been due for more than an hour and is not loaded.", Count: 1, From: "2025-01-05", To: "2025-01-05", Days: first.Data.Days,
		},
	}
	if diff := cmp.Diff(want, first); diff != "" || first.ID == "" {
		t.Errorf("the first event (-want +got):\n%s", diff)
	}
	s.away.Store(false)
	r.await(t, "the day to be told as loaded", 3)
	steps := []struct{ sql, kind, message string }{
		{
			"INSERT INTO partition (day, outcome, error, finished_at) SELECT '2024-01-01'::date + n, 'failed', 'a fault', now() FROM generate_series(0, 149) AS n",
			"delfos.day_failed.begun", "150 days, 2024-01-01 to 2024-05-29, failed for good; Delfos does not try them again by itself.",
		},
		{
			"UPDATE partition SET outcome = 'done', error = NULL WHERE day < '2025-01-01'",
			"delfos.day_failed.ended", "150 days, 2024-01-01 to 2024-05-29, are no longer failed.",
		},
		{
			"UPDATE schedule SET suspect_since = now(), suspect_reason = 'it lists no turbines'",
			"delfos.source_suspect.begun", "The source is suspect: it lists no turbines. What is loaded stays, and late data is not followed.",
		},
		{
			"UPDATE schedule SET suspect_since = NULL, suspect_reason = NULL",
			"delfos.source_suspect.ended", "The source is believed again: late data is followed.",
		},
	}
	for i, step := range steps {
		pgtest.Exec(t, s.target, step.sql)
		got := r.await(t, step.kind, 4+i)
		if got.Type != step.kind || got.Data.Message != step.message || len(got.Data.Days) > 100 {
			t.Errorf("got %s %q with %d days, want %s %q", got.Type, got.Data.Message, len(got.Data.Days), step.kind, step.message)
		}
	}
	await.True(t, "all to be sent", func() bool {
		return pgtest.Query[int](t, s.target, "SELECT count(*) FROM notice WHERE sent_at IS NULL") == 0
	})
	pending(workers[0], "0")
	if made, open := pgtest.Query[int](t, s.target, "SELECT count(*) FROM notice"), pgtest.Query[int](t, s.target, "SELECT count(*) FROM condition"); made != 6 || open != 0 {
		t.Errorf("%d notices were made and %d conditions are open, want 6 and none", made, open)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) != 7 || r.taken[2].Type != "delfos.day_late.ended" {
		t.Errorf("%d events were taken, want 6 and one twice", len(r.taken))
	}
}

// What begins within Gather of a notice comes in the next one, and what has passed by then
// is not told.
func TestNoticesAreGathered(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	s.start(t, 1, func(c *orchestrator.Config) {
		c.Schedule.StaleDays, c.Schedule.PartitionStart = 0, new(date("2024-01-02")) // no day is due
		c.Notify = orchestrator.NotifyConfig{Receiver: notify.NewReceiver(r.URL, "secret"), Every: 20 * time.Millisecond, Gather: time.Hour}
	})
	fail := func(day string) {
		t.Helper()
		pgtest.Exec(t, s.target, "INSERT INTO partition (day, outcome, error, finished_at) VALUES ($1, 'failed', 'a fault', now())", day)
	}
	fail("2023-01-01")
	r.await(t, "the first day", 1)
	fail("2023-01-02")
	fail("2023-01-03")
	fail("2023-01-04")
	// Who looks holds the schedule: nobody saw the day failed and then the hour over.
	err := pgx.BeginFunc(t.Context(), s.target, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"SELECT FROM schedule FOR UPDATE",
			"UPDATE partition SET outcome = 'done', error = NULL WHERE day = '2023-01-04'",
			"UPDATE notice SET created_at = created_at - interval '2 hours'",
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.await(t, "the others", 2); got.Data.Count != 2 || got.Subject != "2023-01-02/2023-01-03" {
		t.Errorf("got %d days, %s, want both of 2023-01-02/2023-01-03", got.Data.Count, got.Subject)
	}
}
