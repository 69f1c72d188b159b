package target

import (
	"context"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// GetSchedule implements targetserver.StrictServerInterface.
func (s *Server) GetSchedule(ctx context.Context, _ targetserver.GetScheduleRequestObject) (targetserver.GetScheduleResponseObject, error) {
	schedule, err := s.schedule(ctx)
	return targetserver.GetSchedule200JSONResponse(schedule), err
}

// UpdateSchedule implements targetserver.StrictServerInterface.
func (s *Server) UpdateSchedule(ctx context.Context, request targetserver.UpdateScheduleRequestObject) (targetserver.UpdateScheduleResponseObject, error) {
	if err := s.Control.Pause(ctx, request.Body.Paused); err != nil {
		return nil, err
	}
	schedule, err := s.schedule(ctx)
	return targetserver.UpdateSchedule200JSONResponse(schedule), err
}

func (s *Server) schedule(ctx context.Context) (targetapi.Schedule, error) {
	state, err := s.Control.Schedule(ctx)
	if err != nil {
		return targetapi.Schedule{}, err
	}
	return targetapi.Schedule{
		Cron:           state.Cron,
		Paused:         state.Paused,
		NextAt:         state.NextAt,
		NextDay:        param.Date(state.NextDay),
		CatchUpDays:    state.CatchUpDays,
		StaleDays:      state.StaleDays,
		PartitionStart: param.Date(state.PartitionStart),
		CheckedAt:      state.CheckedAt,
		SweptAt:        state.SweptAt,
		QueuePaused:    state.QueuePaused,
		Workers:        state.Workers,
		Hindrances:     hindrances(state),

		SourceSuspect:       state.SuspectReason,
		SourceSuspectSince:  state.SuspectSince,
		SourceRetentionDays: state.SourceRetention,
	}, nil
}

// hindrances are what keeps days from being loaded.
func hindrances(state orchestrator.ScheduleState) []targetapi.Hindrance {
	found := []targetapi.Hindrance{}
	if state.QueuePaused {
		found = append(found, targetapi.Hindrance{
			Cause:  targetapi.QueuePaused,
			Detail: "The queue of days is paused in River's pages, so no day is loaded: resume it there, under /river/queues.",
		})
	}
	if state.Workers == 0 {
		found = append(found, targetapi.Hindrance{
			Cause:  targetapi.NoWorkers,
			Detail: "No worker is alive, so no day is loaded: start one with `delfos orchestrate`.",
		})
	}
	if state.Paused {
		found = append(found, targetapi.Hindrance{
			Cause:  targetapi.SchedulePaused,
			Detail: "The schedule is paused, so days that become due and late data are not loaded: resume it with PATCH /schedule and {\"paused\": false}.",
		})
	}
	if state.SuspectReason != nil {
		found = append(found, targetapi.Hindrance{
			Cause:  targetapi.SourceSuspect,
			Detail: "The source is suspect, so what is loaded stays and late data is not followed: " + *state.SuspectReason + ".",
		})
	}
	return found
}
