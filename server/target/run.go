package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// someRuns and someEntries are how many requests get that name no number.
const (
	someRuns    = 50
	someEntries = 1000
)

const maxKey = 255

func (s *server) ListRuns(ctx context.Context, request targetserver.ListRunsRequestObject) (targetserver.ListRunsResponseObject, error) {
	limit := param.Or(request.Params.Limit, someRuns)
	runs, err := s.Control.Runs(ctx, limit+1, param.Or(request.Params.Before, 0))
	if err != nil {
		return nil, err
	}
	response := targetserver.ListRuns200JSONResponse{Body: targetapi.RunList{Runs: []targetapi.Run{}}}
	for i, run := range runs {
		if i == int(limit) {
			r := httpserve.RequestOf(ctx)
			values := r.URL.Query()
			values.Set("before", strconv.FormatInt(runs[i-1].Run.ID, 10))
			response.Headers.Link = new(httpserve.Link(r, values, "next"))
			break
		}
		response.Body.Runs = append(response.Body.Runs, runOf(run))
	}
	return response, nil
}

func runOf(row targetdb.ReadRunsRow) targetapi.Run {
	return targetapi.Run{
		Id:         row.Run.ID,
		Trigger:    row.Run.Trigger,
		Actor:      row.Run.Actor,
		RequestId:  row.Run.RequestID,
		TraceId:    row.Run.TraceID,
		State:      row.State,
		From:       dateOf(row.Run.FirstDay),
		To:         dateOf(row.Run.LastDay),
		Only:       row.Run.Scope,
		Parallel:   row.Run.Parallel,
		Turbines:   row.Run.Turbines,
		AllowEmpty: &row.Run.AllowEmpty,

		StopOnFailure: &row.Run.StopOnFailure,
		Partitions: targetapi.RunCounts{
			Total: row.Total, Queued: row.Queued, Running: row.Running, Done: row.Done,
			Empty: row.Empty, Failed: row.Failed, Cancelled: row.Cancelled,
		},
		CreatedAt:   row.Run.CreatedAt,
		CancelledAt: row.Run.CancelledAt,
		CancelledBy: row.Run.CancelledBy,
		RetriedAt:   row.Run.RetriedAt,
		RetriedBy:   row.Run.RetriedBy,
		FinishedAt:  row.FinishedAt,
	}
}

func (s *server) CreateRun(ctx context.Context, request targetserver.CreateRunRequestObject) (targetserver.CreateRunResponseObject, error) {
	body, key := *request.Body, param.Or(request.Params.IdempotencyKey, "")
	if request.Params.IdempotencyKey != nil && !validKey(key) {
		return nil, problem.Parameters(problem.Invalid("Idempotency-Key", key, fmt.Sprintf("is not 1 to %d characters of UTF-8", maxKey)))
	}
	allowDates := param.Or(body.AllowDates, false)
	if !allowDates {
		if err := checkBelievable(s.Now(), body.From, body.To); err != nil {
			return nil, err
		}
	}
	if err := checkDays(body.From.Time, body.To.Time); err != nil {
		return nil, err
	}
	only := param.Or(body.Only, enum.RunScopeAll)
	start := orchestrator.StartRequest{
		From:       body.From.Time,
		To:         body.To.Time,
		Only:       only,
		DryRun:     param.Or(body.DryRun, false),
		Parallel:   param.Or(body.Parallel, 0),
		AllowEmpty: param.Or(body.AllowEmpty, false),
		Key:        key,

		StopOnFailure: param.Or(body.StopOnFailure, false),
	}
	if key != "" {
		// What was asked, not how it was spelled.
		start.Request = fmt.Sprintf("from %s to %s, only %s, parallel %d", body.From, body.To, only, start.Parallel)
		if start.AllowEmpty { // said only then, as it was not asked for once
			start.Request += ", allow_empty"
		}
		if allowDates {
			start.Request += ", allow_dates"
		}
		if start.StopOnFailure {
			start.Request += ", stop_on_failure"
		}
	}
	plan, err := s.Control.Start(ctx, start)
	switch {
	case errors.Is(err, orchestrator.ErrKeyReused):
		return nil, problem.Parameters(problem.Invalid("Idempotency-Key", key, "was used for another request before; take a new one"))
	case err != nil:
		return nil, err
	}
	answer := targetapi.RunPlan{
		From: body.From, To: body.To, Only: only, DryRun: start.DryRun,
		Partitions: plan.Partitions, UpToDate: plan.UpToDate,
	}
	if gone := plan.Gone; gone != nil {
		answer.RemovedValues, answer.RefusedDays = &gone.Values, new(int64)
		if !start.AllowEmpty {
			answer.RefusedDays = &gone.Days
		}
	}
	if start.DryRun {
		return targetserver.CreateRun200JSONResponse(answer), nil
	}
	answer.Id = &plan.RunID
	location := httpserve.URL(httpserve.RequestOf(ctx), "/runs/"+strconv.FormatInt(plan.RunID, 10), "")
	return targetserver.CreateRun202JSONResponse{
		Body: answer, Headers: targetserver.CreateRun202ResponseHeaders{Location: &location},
	}, nil
}

// validKey reports whether a key can be kept, as a text of the database.
func validKey(key string) bool {
	return utf8.ValidString(key) && key != "" && utf8.RuneCountInString(key) <= maxKey && !strings.ContainsFunc(key, unicode.IsControl)
}

func (s *server) GetRun(ctx context.Context, request targetserver.GetRunRequestObject) (targetserver.GetRunResponseObject, error) {
	run, err := s.run(ctx, request.Id)
	return targetserver.GetRun200JSONResponse(run), err
}

func (s *server) CancelRun(ctx context.Context, request targetserver.CancelRunRequestObject) (targetserver.CancelRunResponseObject, error) {
	if err := s.Control.Cancel(ctx, request.Id); err != nil {
		return nil, refusal(ctx, err)
	}
	run, err := s.run(ctx, request.Id)
	return targetserver.CancelRun200JSONResponse(run), err
}

func (s *server) RetryRun(ctx context.Context, request targetserver.RetryRunRequestObject) (targetserver.RetryRunResponseObject, error) {
	if err := s.Control.Retry(ctx, request.Id); err != nil {
		return nil, refusal(ctx, err)
	}
	run, err := s.run(ctx, request.Id)
	return targetserver.RetryRun200JSONResponse(run), err
}

// run reads a run, with what its days wait for and when they will have ended.
func (s *server) run(ctx context.Context, id int64) (targetapi.Run, error) {
	row, err := s.Control.Run(ctx, id)
	if err != nil {
		return targetapi.Run{}, refusal(ctx, err)
	}
	run := runOf(row)
	left := row.Queued + row.Running
	if left == 0 || row.Run.Trigger == enum.RunTriggerCommand || row.Run.CancelledAt != nil {
		return run, nil
	}
	waiting, err := s.Control.Waiting(ctx, id)
	if err != nil {
		return targetapi.Run{}, err
	}
	if row.Queued > 0 {
		run.Waiting = waitingOf(waiting)
	}
	workers := waiting.Workers
	if row.Run.Parallel != nil {
		workers = min(workers, int64(*row.Run.Parallel))
	}
	if workers > 0 && waiting.MedianSeconds > 0 {
		seconds := float64(left) * waiting.MedianSeconds / float64(min(workers, left))
		run.Eta = new(s.Now().Add(time.Duration(seconds * float64(time.Second))).Truncate(time.Second).UTC())
	}
	return run, nil
}

func waitingOf(w orchestrator.Waiting) *targetapi.RunWaiting {
	waiting := &targetapi.RunWaiting{
		Ahead: []targetapi.RunAhead{}, WorkersFree: max(w.Workers-w.Busy, 0), NextAttemptAt: w.NextAttemptAt,
	}
	if w.Position > 0 {
		waiting.Position = &w.Position
	}
	for _, ahead := range w.Ahead {
		waiting.Ahead = append(waiting.Ahead, targetapi.RunAhead{RunId: ahead.RunID, Trigger: ahead.Trigger, Days: ahead.Days})
	}
	return waiting
}

// refusal is what a client is told of a run that is not there or can't be
// steered.
func refusal(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, orchestrator.ErrNoRun):
		return problem.NotFound(httpserve.RequestOf(ctx).URL.Path)
	case errors.Is(err, orchestrator.ErrPrunes):
		return problem.Conflict(orchestrator.ErrPrunes.Error())
	case errors.Is(err, orchestrator.ErrNotOurs):
		return problem.Conflict("the run is one of the command line, which its own process alone can steer")
	}
	return err
}

func (s *server) GetRunLog(ctx context.Context, request targetserver.GetRunLogRequestObject) (targetserver.GetRunLogResponseObject, error) {
	snapshot, err := s.sessions.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	if _, err := orchestrator.ReadRun(ctx, snapshot, request.Id); err != nil {
		return nil, refusal(ctx, err)
	}
	rows, err := targetdb.New(snapshot).ReadRunLog(ctx, targetdb.ReadRunLogParams{
		RunID: request.Id, After: param.Or(request.Params.After, 0), Count: param.Or(request.Params.Limit, someEntries),
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of run %d: %w", request.Id, err)
	}
	list := targetapi.RunLog{Entries: []targetapi.LogEntry{}}
	for _, row := range rows {
		entry, err := entryOf(row)
		if err != nil {
			return nil, fmt.Errorf("read entry %d of the log of run %d: %w", row.ID, request.Id, err)
		}
		list.Entries = append(list.Entries, entry)
	}
	return targetserver.GetRunLog200JSONResponse(list), nil
}

func entryOf(row targetdb.ReadRunLogRow) (targetapi.LogEntry, error) {
	e := targetapi.LogEntry{
		Id: row.ID, Day: param.Date(row.Day), At: row.At,
		Level: row.Level, Message: row.Message,
	}
	attributes := json.NewDecoder(bytes.NewReader(row.Attributes))
	attributes.UseNumber() // an int64 stays one
	err := attributes.Decode(&e.Attributes)
	return e, err
}
