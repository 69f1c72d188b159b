package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
)

// lookEvery is how often the backfill's progress is looked at.
const lookEvery = 50 * time.Millisecond

// A client asks the target API, as anybody's would.
type client struct {
	*targetclient.Client
}

func newClient(console string) (client, error) {
	c, err := targetclient.NewClient(console, targetclient.WithHTTPClient(apiclient.New(http.DefaultTransport, time.Minute)))
	if err != nil {
		return client{}, fmt.Errorf("target API %s: %w", console, err)
	}
	return client{c}, nil
}

// ask decodes what an operation answered.
func ask[T any](send func() (*http.Response, error)) (value T, _ error) {
	response, err := send()
	if err != nil {
		return value, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return value, err
	}
	if response.StatusCode/100 != 2 {
		return value, fmt.Errorf("got %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return value, apiclient.Target().Decode(response, body, &value)
}

// backfill asks for a range of days and waits until each has ended. Days that
// failed are in the error.
func (c client) backfill(ctx context.Context, from, to time.Time) (targetapi.Run, error) {
	queued, err := ask[targetapi.RunPlan](func() (*http.Response, error) {
		return c.CreateRun(ctx, &targetapi.CreateRunParams{}, targetapi.RunRequest{From: types.Date{Time: from}, To: types.Date{Time: to}})
	})
	if err != nil {
		return targetapi.Run{}, fmt.Errorf("start a backfill: %w", err)
	}
	if queued.Id == nil {
		return targetapi.Run{}, errors.New("start a backfill: the answer has no run")
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		run, err := ask[targetapi.Run](func() (*http.Response, error) { return c.GetRun(ctx, *queued.Id) })
		if err != nil {
			return targetapi.Run{}, fmt.Errorf("follow the backfill: %w", err)
		}
		switch run.State {
		case targetapi.RunStateDone:
			return run, nil
		case targetapi.RunStateFailed, targetapi.RunStateCancelled:
			return run, c.failures(ctx, from, to)
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
	grid, err := ask[targetapi.PartitionList](func() (*http.Response, error) {
		return c.ListPartitions(ctx, &targetapi.ListPartitionsParams{From: &first, To: &last})
	})
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	return grid.Partitions, nil
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
	loads, err := ask[targetapi.RevisionList](func() (*http.Response, error) {
		return c.ListRevisions(ctx, &targetapi.ListRevisionsParams{From: &first, To: &last})
	})
	if err != nil {
		return sum, fmt.Errorf("list revisions: %w", err)
	}
	// The newest of a day is the one that answered.
	seen := map[string]bool{}
	for _, r := range loads.Revisions {
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
