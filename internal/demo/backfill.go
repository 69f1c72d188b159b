package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/apiclient"
)

// lookEvery is how often the backfill's progress is looked at.
const lookEvery = 50 * time.Millisecond

// A client asks the target API, as anybody's would.
type client struct {
	*targetapi.ClientWithResponses
}

func newClient(console string) (client, error) {
	c, err := targetapi.NewClientWithResponses(console, targetapi.WithHTTPClient(apiclient.New(http.DefaultTransport, time.Minute)))
	if err != nil {
		return client{}, fmt.Errorf("target API %s: %w", console, err)
	}
	return client{c}, nil
}

// backfill asks for a range of days and waits until each has ended. Days that
// failed are in the error.
func (c client) backfill(ctx context.Context, from, to time.Time) (targetapi.Run, error) {
	queued, err := c.CreateRunWithResponse(ctx, &targetapi.CreateRunParams{}, targetapi.RunRequest{From: types.Date{Time: from}, To: types.Date{Time: to}})
	if err != nil {
		return targetapi.Run{}, fmt.Errorf("start a backfill: %w", err)
	}
	if queued.JSON202 == nil || queued.JSON202.Id == nil {
		return targetapi.Run{}, fmt.Errorf("start a backfill: got %s: %s", queued.Status(), queued.Body)
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		run, err := c.GetRunWithResponse(ctx, *queued.JSON202.Id)
		switch {
		case err != nil:
			return targetapi.Run{}, fmt.Errorf("follow the backfill: %w", err)
		case run.JSON200 == nil:
			return targetapi.Run{}, fmt.Errorf("follow the backfill: got %s: %s", run.Status(), run.Body)
		}
		switch run.JSON200.State {
		case targetapi.RunStateDone:
			return *run.JSON200, nil
		case targetapi.RunStateFailed, targetapi.RunStateCancelled:
			return *run.JSON200, c.failures(ctx, from, to)
		case targetapi.RunStateQueued, targetapi.RunStateRunning:
		}
		select {
		case <-ctx.Done():
			return targetapi.Run{}, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// failures says which days of a range are not done, and why.
func (c client) failures(ctx context.Context, from, to time.Time) error {
	days, err := c.partitions(ctx, from, to)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range days {
		switch {
		case p.State == targetapi.PartitionStateDone:
		case p.Error != nil:
			failed = append(failed, fmt.Errorf("%s: %s", p.Day, *p.Error))
		default:
			failed = append(failed, fmt.Errorf("%s: it is %s", p.Day, p.State))
		}
	}
	if len(failed) == 0 {
		return errors.New("the backfill was cut short")
	}
	return errors.Join(failed...)
}

func (c client) partitions(ctx context.Context, from, to time.Time) ([]targetapi.Partition, error) {
	first, last := types.Date{Time: from}, types.Date{Time: to}
	grid, err := c.ListPartitionsWithResponse(ctx, &targetapi.ListPartitionsParams{From: &first, To: &last})
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	if grid.JSON200 == nil {
		return nil, fmt.Errorf("list partitions: got %s: %s", grid.Status(), grid.Body)
	}
	return grid.JSON200.Partitions, nil
}

// totals add up what a backfill found and did.
type totals struct{ samples, rows, written int64 }

func (c client) totals(ctx context.Context, from, to time.Time) (totals, error) {
	var sum totals
	days, err := c.partitions(ctx, from, to)
	if err != nil {
		return sum, err
	}
	for _, p := range days {
		sum.rows += p.Rows
		if p.Samples != nil {
			sum.samples += *p.Samples
		}
	}
	first, last := types.Date{Time: from}, types.Date{Time: to}
	loads, err := c.ListRevisionsWithResponse(ctx, &targetapi.ListRevisionsParams{From: &first, To: &last})
	if err != nil {
		return sum, fmt.Errorf("list revisions: %w", err)
	}
	if loads.JSON200 == nil {
		return sum, fmt.Errorf("list revisions: got %s: %s", loads.Status(), strings.TrimSpace(string(loads.Body)))
	}
	// The newest of a day is the one that answered.
	seen := map[string]bool{}
	for _, r := range loads.JSON200.Revisions {
		if day := r.Day.String(); !seen[day] {
			seen[day] = true
			for _, count := range []*int64{r.Inserted, r.Updated, r.Deleted} {
				if count != nil {
					sum.written += *count
				}
			}
		}
	}
	return sum, nil
}
