package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// someRevisions bounds an answer of /revisions that asked for no number.
const someRevisions = 1000

func (s *server) ListPartitions(ctx context.Context, request targetserver.ListPartitionsRequestObject) (targetserver.ListPartitionsResponseObject, error) {
	page, err := s.page(ctx, request.Params.From, request.Params.To, int(param.Or(request.Params.Limit, orchestrator.MaxDays)))
	if err != nil {
		return nil, err
	}
	list := targetserver.ListPartitions200JSONResponse{
		Body:    targetapi.PartitionList{Partitions: []targetapi.Partition{}},
		Headers: targetserver.ListPartitions200ResponseHeaders{Link: page.link},
	}
	if page.days == nil {
		return list, nil
	}
	grid, err := s.Control.Grid(ctx, page.days.First, page.days.Last)
	if err != nil {
		return nil, err
	}
	list.Body.Partitions = partitionsOf(grid)
	if param.Or(request.Params.Brief, false) {
		for i := range list.Body.Partitions {
			shorten(&list.Body.Partitions[i])
		}
	}
	return list, nil
}

func (s *server) ForgetPartition(ctx context.Context, request targetserver.ForgetPartitionRequestObject) (targetserver.ForgetPartitionResponseObject, error) {
	err := s.Control.Forget(ctx, request.Day.Time, param.Or(request.Params.Force, false))
	if err == nil {
		return targetserver.ForgetPartition204Response{}, nil
	}
	if sampled, ok := errors.AsType[*orchestrator.SampledError](err); ok {
		return nil, problem.Conflict(sampled.Error() + ", and a run would load it again; with force=true (--force) it is forgotten all the same")
	}
	if busy, ok := errors.AsType[*orchestrator.InWorkError](err); ok {
		return nil, problem.Conflict(busy.Error() + "; wait until that has ended, or cancel the run")
	}
	switch {
	case errors.Is(err, orchestrator.ErrUnknownDay):
		return nil, problem.NotFound(httpserve.RequestOf(ctx).URL.Path)
	case errors.Is(err, orchestrator.ErrSourceUnasked):
		return nil, problem.Busy(fmt.Sprintf("the source API does not say whether it has samples of %s; try again shortly, or take force=true (--force), which does not ask it",
			request.Day), sourceRetry, errors.New(err.Error())) // for the log alone: an answer of its own stands for a source that is away
	}
	return nil, err
}

// sourceRetry is when to come back for what takes the source's word.
const sourceRetry = 2 * time.Second

func partitionOf(row targetdb.ReadGridRow) targetapi.Partition {
	p := targetapi.Partition{
		Day:            dateOf(row.Day),
		State:          row.State,
		Over:           row.Over,
		Samples:        row.Samples,
		Expected:       row.Expected,
		Windows:        row.Windows,
		Rows:           row.Rows,
		Attempt:        row.Attempt,
		NextAttemptAt:  row.NextAttemptAt,
		RunId:          row.RunID,
		Error:          row.Error,
		StartedAt:      row.StartedAt,
		FinishedAt:     row.FinishedAt,
		LoadedAt:       row.LoadedAt,
		Warnings:       row.Warnings,
		SourcePrunedAt: row.SourcePrunedAt,
	}
	switch row.State {
	case enum.PartitionStateRunning:
		p.RunId = row.ClaimRunID
	case enum.PartitionStateStale:
		p.SourceDigest, p.SourceDigestSeen, p.LookedAt = digestOf(row.SourceDigest), digestOf(row.SourceDigestSeen), row.LookedAt
	default:
	}
	return p
}

// shorten leaves out times, errors and digests.
func shorten(p *targetapi.Partition) {
	p.NextAttemptAt, p.StartedAt, p.FinishedAt, p.LoadedAt, p.LookedAt, p.SourcePrunedAt = nil, nil, nil, nil, nil, nil
	p.Error, p.SourceDigest, p.SourceDigestSeen = nil, nil, nil
}

func (s *server) ListRevisions(ctx context.Context, request targetserver.ListRevisionsRequestObject) (targetserver.ListRevisionsResponseObject, error) {
	page, err := s.page(ctx, request.Params.From, request.Params.To, orchestrator.MaxDays)
	if err != nil {
		return nil, err
	}
	list := targetserver.ListRevisions200JSONResponse{
		Body:    targetapi.RevisionList{Revisions: []targetapi.Revision{}},
		Headers: targetserver.ListRevisions200ResponseHeaders{Link: page.link},
	}
	if page.days == nil {
		return list, nil
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	rows, err := targetdb.New(session).ReadRevisions(ctx, targetdb.ReadRevisionsParams{
		FirstDay: page.days.First, LastDay: page.days.Last, Count: param.Or(request.Params.Limit, someRevisions),
	})
	if err != nil {
		return nil, fmt.Errorf("read revisions: %w", err)
	}
	for _, row := range rows {
		list.Body.Revisions = append(list.Body.Revisions, revisionOf(row))
	}
	return list, nil
}

func revisionOf(row targetdb.ReadRevisionsRow) targetapi.Revision {
	return targetapi.Revision{
		Day:          dateOf(row.Day),
		Token:        row.Token,
		RunId:        row.RunID,
		Trigger:      row.Trigger,
		Actor:        row.Actor,
		Cause:        row.Cause,
		Outcome:      row.Outcome,
		Error:        row.Error,
		StartedAt:    row.StartedAt,
		FinishedAt:   row.FinishedAt,
		Samples:      row.Samples,
		Expected:     row.Expected,
		Inserted:     row.Inserted,
		Updated:      row.Updated,
		Deleted:      row.Deleted,
		SourceBefore: digestOf(row.SourceDigestBefore),
		SourceAfter:  digestOf(row.SourceDigestAfter),
		TargetBefore: digestOf(row.TargetDigestBefore),
		TargetAfter:  digestOf(row.TargetDigestAfter),
	}
}

// digestOf writes a digest as the source API does: all 16 digits of its bits.
func digestOf(digest *int64) *string {
	if digest == nil {
		return nil
	}
	text := fmt.Sprintf("%016x", uint64(*digest))
	return &text
}

// page is the days of a list, none if days is nil, with a Link to those before and
// after them.
type page struct {
	days *etl.Span
	link *string
}

// page is what from and to say together, both inclusive (see orchestrator.Page), and of
// that the newest days, at most so many.
func (s *server) page(ctx context.Context, from, to *openapi_types.Date, limit int) (page, error) {
	if from != nil && to != nil {
		if err := checkDays(from.Time, to.Time); err != nil {
			return page{}, err
		}
	}
	p, err := s.Control.Page(ctx, timeOf(from), timeOf(to))
	if err != nil {
		return page{}, err
	}
	if days := p.Days; days != nil && dates.Count(days.First, days.Last) > limit {
		first := dates.Add(days.Last, 1-limit)
		p.Days, p.Earlier = &etl.Span{First: first, Last: days.Last}, &etl.Span{First: days.First, Last: dates.Add(first, -1)}
	}
	var links []string
	for _, other := range []struct {
		rel  string
		days *etl.Span
	}{{"prev", p.Earlier}, {"next", p.Later}} {
		if other.days != nil {
			links = append(links, linkTo(httpserve.RequestOf(ctx), *other.days, other.rel))
		}
	}
	if len(links) == 0 {
		return page{days: p.Days}, nil
	}
	return page{p.Days, new(strings.Join(links, ", "))}, nil
}

// linkTo is one value of Link: the same list of other days.
func linkTo(asked *http.Request, days etl.Span, rel string) string {
	values := asked.URL.Query()
	values.Set("from", days.First.Format(time.DateOnly))
	values.Set("to", days.Last.Format(time.DateOnly))
	return httpserve.Link(asked, values, rel)
}

// checkDays refuses a range that is reversed, or longer than one request may
// ask for.
func checkDays(from, to time.Time) error {
	switch days := dates.Count(from, to); {
	case days < 1:
		return problem.BadRequest(fmt.Sprintf("from must not be later than to, and %s is later than %s",
			from.Format(time.DateOnly), to.Format(time.DateOnly)))
	case days > orchestrator.MaxDays:
		return problem.Parameters(problem.Invalid("to", to.Format(time.DateOnly),
			fmt.Sprintf("is %d days from from, %s, both included; at most %d are allowed", days, from.Format(time.DateOnly), orchestrator.MaxDays)))
	}
	return nil
}

// checkBelievable refuses days that are more often mistyped than meant.
func checkBelievable(now time.Time, from, to openapi_types.Date) error {
	var faults []problem.Fault
	for _, bound := range []struct {
		name string
		day  time.Time
	}{{"from", from.Time}, {"to", to.Time}} {
		if !dates.Believable(bound.day, now) {
			faults = append(faults, problem.Invalid(bound.name, bound.day.Format(time.DateOnly),
				fmt.Sprintf("is not a day %s; other days are taken with allow_dates true", dates.Believed(now))))
		}
	}
	if len(faults) > 0 {
		return problem.Parameters(faults...)
	}
	return nil
}

// timeOf is a day that may be missing.
func timeOf(day *openapi_types.Date) *time.Time {
	if day == nil {
		return nil
	}
	return &day.Time
}

// dateOf is a day as the generated types have it.
func dateOf(day time.Time) openapi_types.Date { return openapi_types.Date{Time: day} }
