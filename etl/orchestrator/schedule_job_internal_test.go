package orchestrator

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// River's timer wakes the schedule, and the schedule itself where River doesn't.
func TestRiverWakesTheSchedule(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 1})
	workers := river.NewWorkers()
	s.register(workers)
	client, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{
		Schema: Schema, Workers: workers, PeriodicJobs: s.Periodic(), Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{scheduleQueue: {MaxWorkers: scheduleWorkers}},
	})
	if err != nil {
		t.Fatal(err)
	}
	events, stop := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed)
	defer stop()
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	event := <-events
	if event.Kind != river.EventKindJobCompleted || event.Job.Kind != "tick" {
		t.Errorf("got %s of %s, want a tick that is completed", event.Kind, event.Job.Kind)
	}
	if err := client.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.wantRuns("after River's tick", "schedule missing 06-29")
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 1})
	watch := func() {
		t.Helper()
		if err := s.watch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	watch()
	s.wantRuns("never ticked", "schedule missing 06-29")
	s.load("2025-06-29")
	s.clock.set("2025-07-01 00:59:59")
	s.tick()
	s.clock.set("2025-07-01 01:00")
	watch()
	s.wantRuns("ticked just now", "schedule missing 06-29")
	s.clock.advance(overdue * DefaultTickEvery)
	watch()
	s.wantRuns("long ago", "schedule missing 06-29", "schedule missing 06-30")
}

func TestTicks(t *testing.T) {
	t.Parallel()
	next := ticks{parseCron(t, "0 1 * * *"), 30 * time.Second}
	for now, want := range map[string]string{
		"2025-06-30 12:00":    "2025-06-30 12:00:30",
		"2025-06-30 00:59:40": "2025-06-30 01:00",
		"2025-06-30 01:00":    "2025-06-30 01:00:30",
	} {
		if got := next.Next(dayAt(now)); !got.Equal(dayAt(want)) {
			t.Errorf("after %s: got %s, want %s", now, got, want)
		}
	}
}
