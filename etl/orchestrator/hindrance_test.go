package orchestrator_test

import (
	"testing"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// A queue that is paused in River's pages, and a target that nobody works on,
// show in the schedule.
func TestWhatKeepsDaysFromBeingLoaded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	control := s.orchestrator(t, 1).Control()
	schedule := func() orchestrator.ScheduleState {
		t.Helper()
		state, err := control.Schedule(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	if got := schedule(); got.Workers != 0 || got.QueuePaused {
		t.Errorf("before anybody works: %d workers, paused %t", got.Workers, got.QueuePaused)
	}
	w := s.start(t, 3)
	await.Value(t, "workers and their queue", func() (any, bool) {
		got := schedule()
		queues := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_queue WHERE name = 'partition'")
		return got, got.Workers == 3 && queues == 1
	})
	if err := w.River().QueuePause(t.Context(), "partition", nil); err != nil {
		t.Fatal(err)
	}
	if got := schedule(); !got.QueuePaused || got.Workers != 3 {
		t.Errorf("a paused queue: %d workers, paused %t", got.Workers, got.QueuePaused)
	}
	if err := w.River().QueueResume(t.Context(), "*", nil); err != nil {
		t.Fatal(err)
	}
	if got := schedule(); got.QueuePaused {
		t.Error("the queue is resumed, and paused")
	}
	w.stop()
	if got := schedule(); got.Workers != 0 {
		t.Errorf("after the end there are %d workers", got.Workers)
	}
}
