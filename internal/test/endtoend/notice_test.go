package endtoend_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// A notice outlives `delfos orchestrate`: whether the process is killed before the receiver
// has taken it or before it hears so, the next one tells it, under the same id.
func TestNoticeOfKilledOrchestrator(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	s.run(t, 1)
	pgtest.Exec(t, s.source, "DELETE FROM data")
	if _, err := s.job.Run(t.Context(), request(1)); err == nil {
		t.Fatal("a load that removes a whole day succeeded, and there is nothing to tell")
	}
	type visit struct {
		*http.Request

		leave chan bool // whether with an answer
	}
	visits, over := make(chan visit), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visit{r, make(chan bool)}
		select {
		case visits <- v:
		case <-over:
		}
		select {
		case <-v.leave:
			w.WriteHeader(http.StatusNoContent)
		case <-over:
		}
	}))
	t.Cleanup(receiver.Close)
	t.Cleanup(func() { close(over) })
	take := func(v visit) (id string) {
		var event struct{ ID, Type, Subject string }
		if err := json.NewDecoder(v.Body).Decode(&event); err != nil || event.ID == "" || event.Type != "delfos.day_failed.begun" || event.Subject != "2025-01-01" {
			t.Errorf("got event %+v, %v; want the day that failed", event, err)
		}
		return event.ID
	}

	first := s.orchestrate(t, receiver.URL)
	<-visits
	first.kill(t)
	second := s.orchestrate(t, receiver.URL)
	id := take(<-visits)
	second.kill(t)
	if sent := pgtest.Query[bool](t, s.target, "SELECT sent_at IS NOT NULL FROM notice"); sent {
		t.Error("a notice whose receiver has not answered counts as sent")
	}
	third := s.orchestrate(t, receiver.URL)
	again := <-visits
	if got := take(again); got != id {
		t.Errorf("the event came again as %s, it was %s", got, id)
	}
	again.leave <- true
	await.True(t, "the only notice to be sent", func() bool {
		return pgtest.Query[bool](t, s.target, "SELECT bool_and(sent_at IS NOT NULL) AND count(*) = 1 FROM notice")
	})
	third.signal(syscall.SIGTERM)
	if err := third.Wait(); err != nil {
		t.Errorf("delfos orchestrate that was told to end: %v", err)
	}
}

// orchestrate starts `delfos orchestrate` as a process that tells a webhook.
func (s *system) orchestrate(t *testing.T, notifyURL string) *worker {
	t.Helper()
	// It may have been killed while it had a notice in hand: 15 s pass.
	pgtest.Exec(t, s.target, "UPDATE notice SET next_attempt_at = clock_timestamp()")
	cmd := exec.Command(os.Args[0], "orchestrate", "--api=false", "--workers", "1")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), program+"=1", "TARGET_DB_URL="+s.targetURL, "SOURCE_API_URL="+s.apiURL, "NOTIFY_URL="+notifyURL,
		"PARTITION_START="+time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)) // so that no day is late
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &worker{cmd, t}
}

// kill ends the process as kill -9 does, and waits for its end.
func (w *worker) kill(t *testing.T) {
	t.Helper()
	w.signal(syscall.SIGKILL)
	_ = w.Wait()
}
