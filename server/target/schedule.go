package target

import (
	"context"
	"fmt"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

func (s *server) GetSchedule(ctx context.Context, _ targetserver.GetScheduleRequestObject) (targetserver.GetScheduleResponseObject, error) {
	schedule, err := s.schedule(ctx)
	return targetserver.GetSchedule200JSONResponse(schedule), err
}

func (s *server) UpdateSchedule(ctx context.Context, request targetserver.UpdateScheduleRequestObject) (targetserver.UpdateScheduleResponseObject, error) {
	if err := s.Control.Pause(ctx, request.Body.Paused); err != nil {
		return nil, err
	}
	schedule, err := s.schedule(ctx)
	return targetserver.UpdateSchedule200JSONResponse(schedule), err
}

func (s *server) schedule(ctx context.Context) (targetapi.Schedule, error) {
	state, err := s.Control.Schedule(ctx)
	if err != nil {
		return targetapi.Schedule{}, err
	}
	return scheduleOf(state), nil
}

func scheduleOf(state orchestrator.ScheduleState) targetapi.Schedule {
	schedule := targetapi.Schedule{
		Cron:        state.Cron,
		Paused:      state.Paused,
		Next:        []targetapi.ScheduledDay{},
		CatchUpDays: state.CatchUpDays,
		StaleDays:   state.StaleDays,

		TodayEverySeconds: int32(state.TodayEvery / time.Second),
		PartitionStart:    param.Date(state.PartitionStart),
		CheckedAt:         state.CheckedAt,
		SweptAt:           state.SweptAt,
		ChangedAt:         state.ChangedAt,
		ChangedBy:         state.ChangedBy,
		QueuePaused:       state.QueuePaused,
		Workers:           state.Workers,
		Hindrances:        hindrances(state),

		SourceSuspect:       state.SuspectReason,
		SourceSuspectSince:  state.SuspectSince,
		SourceRetentionDays: state.SourceRetention,
		TargetRetentionDays: state.TargetRetention,
	}
	for _, due := range state.Next {
		schedule.Next = append(schedule.Next, targetapi.ScheduledDay{At: due.At, Day: dateOf(due.Day)})
	}
	if len(schedule.Next) > 0 {
		schedule.NextAt, schedule.NextDay = &schedule.Next[0].At, &schedule.Next[0].Day
	}
	if left := state.LeftOut; left != nil {
		schedule.LeftOut = &targetapi.LeftOut{Days: left.Days, From: dateOf(left.FirstDay), To: dateOf(left.LastDay)}
	}
	return schedule
}

func by(actor *string) string {
	if actor == nil {
		return ""
	}
	return " by " + *actor
}

func hindrances(state orchestrator.ScheduleState) []targetapi.Hindrance {
	found := []targetapi.Hindrance{}
	add := func(cause targetapi.HindranceCause, detail string) {
		found = append(found, targetapi.Hindrance{Cause: cause, Detail: detail})
	}
	if state.QueuePaused {
		add(targetapi.QueuePaused, "The queue of days is paused in River's pages, so no day is loaded but the running one: resume it there, under /river/queues.")
	}
	if state.Workers == 0 {
		add(targetapi.NoWorkers, "No worker is alive, so no day is loaded: start one with `delfos orchestrate`.")
	}
	if state.Paused {
		add(targetapi.SchedulePaused, "The schedule is paused"+by(state.ChangedBy)+", so days that become due and late data are not loaded: resume it with PATCH /schedule and {\"paused\": false}.")
	}
	if state.SuspectReason != nil {
		add(targetapi.SourceSuspect, "The source is suspect, so what is loaded stays and late data is not followed: "+*state.SuspectReason+".")
	}
	if left := state.LeftOut; left != nil {
		from, to := left.FirstDay.Format(time.DateOnly), left.LastDay.Format(time.DateOnly)
		add(targetapi.DaysLeftOut, fmt.Sprintf("%s to %s has %d missing days that became due more than CATCH_UP_DAYS=%d ago, so the schedule does not load them: "+
			"`delfos runs start --from %s --to %s --only missing` does.", from, to, left.Days, state.CatchUpDays, from, to))
	}
	for _, other := range state.Others {
		add(targetapi.SettingsDiffer, fmt.Sprintf("The orchestrator on %s has other settings of the schedule than this one, so which days are loaded depends on who looks first: "+
			"give both the same. It has %s, this one %s.", other.Process, other.Settings, state.Settings))
	}
	return found
}
