package target

import (
	"context"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/server/param"
)

func (s *server) GetStatus(ctx context.Context, _ targetserver.GetStatusRequestObject) (targetserver.GetStatusResponseObject, error) {
	status, err := s.Control.Status(ctx)
	if err != nil {
		return nil, err
	}
	return targetserver.GetStatus200JSONResponse(statusOf(status)), nil
}

func statusOf(s orchestrator.Status) targetapi.Status {
	status := targetapi.Status{
		Now:        s.Now.UTC().Truncate(time.Second),
		NewestDone: param.Date(s.NewestDone),
		States: targetapi.StateCounts{
			Missing: s.Counts[enum.PartitionStateMissing], Queued: s.Counts[enum.PartitionStateQueued],
			Running: s.Counts[enum.PartitionStateRunning], Done: s.Counts[enum.PartitionStateDone],
			Stale: s.Counts[enum.PartitionStateStale], Empty: s.Counts[enum.PartitionStateEmpty],
			Failed: s.Counts[enum.PartitionStateFailed], Cancelled: s.Counts[enum.PartitionStateCancelled],
			Pruned: s.Counts[enum.PartitionStatePruned],
		},
		Failed:     partitionsOf(s.Failed),
		Stale:      partitionsOf(s.Stale),
		Last30Days: targetapi.Completeness{Days: s.ReadTotalsRow.Days, Samples: s.Samples, Expected: s.Expected},
		Warnings:   s.Warnings,
		Waiting:    s.Waiting,
		Running:    s.Running,
		Workers:    []targetapi.Worker{},
		Source:     targetapi.SourceStatus{SuspectSince: s.Schedule.SuspectSince},
		Schedule:   scheduleOf(s.Schedule),
	}
	if s.NewestDone != nil {
		status.LagDays = new(int64(dates.Count(*s.NewestDone, dates.Of(s.Now)) - 2))
	}
	if s.Days != nil {
		status.From, status.To = new(dateOf(s.Days.First)), new(dateOf(s.Days.Last))
	}
	if s.MedianSeconds > 0 {
		status.MedianSeconds = &s.MedianSeconds
	}
	for _, w := range s.Workers {
		status.Workers = append(status.Workers, targetapi.Worker{
			Id: w.ID, Host: w.Host, Pid: w.Pid, Workers: w.Workers, Busy: w.Busy, StartedAt: w.StartedAt,
		})
	}
	if contact := s.Source; contact != nil {
		status.Source.Answers, status.Source.AskedAt = new(contact.Err == nil), new(contact.At.UTC().Truncate(time.Second))
		if contact.Err != nil {
			status.Source.Error = new(contact.Err.Error())
		}
	}
	return status
}

func partitionsOf(rows []targetdb.ReadGridRow) []targetapi.Partition {
	partitions := make([]targetapi.Partition, len(rows)) // never nil, which JSON would call null
	for i, row := range rows {
		partitions[i] = partitionOf(row)
	}
	return partitions
}
