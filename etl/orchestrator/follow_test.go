package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// errSeen ends a follower.
var errSeen = errors.New("seen")

// collect follows events up to the one that is the last.
func collect(t *testing.T, c *orchestrator.Control, after int64, last func(orchestrator.Event) bool) []orchestrator.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var events []orchestrator.Event
	err := c.Events(ctx, after, func(e orchestrator.Event) error {
		events = append(events, e)
		if last(e) {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Fatalf("events: %v; seen %+v", err, events)
	}
	return events
}

func TestEventsTellAllThatHappens(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	c := s.start(t, 2).Control()
	plan, err := c.Start(actor.With(t.Context(), "ana"), days(3, ""))
	if err != nil {
		t.Fatal(err)
	}
	runEnded := func(e orchestrator.Event) bool { return e.Kind == "run" && e.State == "done" }
	events := collect(t, c, 0, runEnded)
	counts := map[string]int{}
	for i, e := range events {
		if i > 0 && e.ID != events[i-1].ID+1 {
			t.Errorf("event %d after %d", e.ID, events[i-1].ID)
		}
		if e.RunID == nil || *e.RunID != plan.RunID || e.Actor == nil || *e.Actor != "ana" {
			t.Errorf("event %+v is not of run %d, by ana", e, plan.RunID)
		}
		counts[string(e.Kind)+" "+e.State]++
	}
	want := "map[partition done:3 partition running:3 run done:1 run queued:1]"
	if got := fmt.Sprint(counts); got != want {
		t.Errorf("events %s, want %s", got, want)
	}

	resumed := collect(t, c, events[3].ID, runEnded)
	if len(resumed) != len(events)-4 || resumed[0].ID != events[4].ID {
		t.Errorf("resumed after %d: %+v", events[3].ID, resumed)
	}
	pgtest.Exec(t, s.target, "DELETE FROM event WHERE id <= $1", events[5].ID)
	if first := collect(t, c, events[2].ID, func(orchestrator.Event) bool { return true }); first[0].Kind != orchestrator.ResetEvent {
		t.Errorf("first event after a gap: %+v, want a reset", first[0])
	}
}

func TestRunKeepsItsLog(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	c := s.start(t, 1).Control()
	plan := startRun(t, c, days(2, ""))
	awaitRun(t, c, plan.RunID, "the end of the run", ended)
	await.Value(t, "the log", func() (any, bool) {
		log, err := targetdb.New(s.target).ReadRunLog(t.Context(), targetdb.ReadRunLogParams{RunID: plan.RunID, Count: 100})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range log {
			if e.Message == "partition finished" && e.Day != nil || e.Message == "the run was asked for" && e.Day == nil {
				told++
			}
		}
		return log, told == 3
	})
}

// Nobody asks for the day but the schedule.
func TestScheduleLoadsWhatIsDue(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	c := s.start(t, 1, func(c *orchestrator.Config) {
		c.Now = func() time.Time { return date("2025-01-02").Add(12 * time.Hour) }
	}).Control()
	await.Value(t, "the day to be loaded", func() (any, bool) {
		got := states(t, c, 1)
		return got, got == "d"
	})
}
