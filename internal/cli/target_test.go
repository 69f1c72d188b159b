package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetserver"
)

// TestTargetScript runs the commands that ask the target API, each script on an
// API of its own.
func TestTargetScript(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/target/*.txtar", func(t *testing.T, env *testscript.Env) {
		t.Helper()
		api := httptest.NewServer(handler(&orchestrator{}))
		t.Cleanup(api.Close)
		env.Setenv("TARGET_API_URL", api.URL)
		env.Setenv("CLOSED_URL", "http://"+freeAddr(t))
	})
}

// An orchestrator answers as the target API does, with one run, 7, that it
// knows. It is queued when it is started, in work the first time that somebody
// looks and has ended the second time: its days fail from February on, and are
// done before.
type orchestrator struct {
	targetserver.StrictServerInterface

	mu      sync.Mutex
	run     *targetapi.Run
	fails   bool
	looks   int
	entries []targetapi.LogEntry
	key     string
	away    int // answers of 503 that are left; a run of all days meets one
}

func (o *orchestrator) log(level enum.LogLevel, message string, attributes map[string]any) {
	at := time.Date(2025, time.March, 1, 1, 0, len(o.entries), 0, time.UTC)
	day := o.run.From
	o.entries = append(o.entries, targetapi.LogEntry{Id: int64(len(o.entries) + 1), At: at, Day: &day, Level: level, Message: message, Attributes: attributes})
}

func (o *orchestrator) known(id int64) bool { return o.run != nil && id == o.run.Id }

func (o *orchestrator) CreateRun(_ context.Context, r targetserver.CreateRunRequestObject) (targetserver.CreateRunResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body := r.Body
	days := int64(body.To.Sub(body.From.Time)/(24*time.Hour)) + 1
	plan := targetapi.RunPlan{From: body.From, To: body.To, Only: *body.Only, DryRun: *body.DryRun, Partitions: days, UpToDate: 3}
	if *body.DryRun {
		return targetserver.CreateRun200JSONResponse(plan), nil
	}
	if key := r.Params.IdempotencyKey; key != nil {
		request := fmt.Sprint(*key, body.From, body.To, *body.Only)
		if o.key != "" && o.key != request {
			return nil, refusal{Title: "Unprocessable Content", Status: 422, Detail: "Idempotency-Key was sent before with another request"}
		}
		o.key = request
	}
	id := int64(7)
	o.run = &targetapi.Run{
		Id: id, Trigger: enum.RunTriggerBackfill, Actor: new("ana"), RequestId: new("r1"), TraceId: new("4bf92f3577b34da6a3ce929d0e0e4736"), State: enum.RunStateQueued, From: body.From, To: body.To, Only: *body.Only, Parallel: body.Parallel,
		Partitions: targetapi.RunCounts{Total: days, Queued: days}, CreatedAt: time.Date(2025, time.March, 1, 1, 0, 0, 0, time.UTC),
	}
	o.fails, o.looks, o.entries = body.From.Month() > time.January, 0, nil
	o.log(enum.LogLevelInfo, "run queued", map[string]any{"partitions": days, "only": string(*body.Only)})
	plan.Id = &id
	return targetserver.CreateRun202JSONResponse{Body: plan}, nil
}

func (o *orchestrator) GetRun(_ context.Context, r targetserver.GetRunRequestObject) (targetserver.GetRunResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known(r.Id) {
		return nil, noRun(r.Id)
	}
	if o.away > 0 {
		o.away--
		return nil, refusal{Title: "Service Unavailable", Status: 503, Detail: "the database does not answer; try again shortly"}
	}
	o.looks++
	n := o.run.Partitions.Total
	switch {
	case o.run.State == enum.RunStateQueued:
		o.run.State, o.run.Partitions = enum.RunStateRunning, targetapi.RunCounts{Total: n, Queued: n - 1, Running: 1}
		o.log(enum.LogLevelDebug, "partition begun", map[string]any{})
		if o.run.Only == enum.RunScopeAll {
			o.away = 1
		}
	case o.run.State == enum.RunStateRunning && o.fails:
		o.run.State, o.run.Partitions = enum.RunStateFailed, targetapi.RunCounts{Total: n, Failed: 1, Done: n - 1}
		o.log(enum.LogLevelError, "partition failed", map[string]any{"error": "1 broken: turbine 3", "attempt": 3})
	case o.run.State == enum.RunStateRunning:
		o.run.State, o.run.Partitions = enum.RunStateDone, targetapi.RunCounts{Total: n, Empty: 1, Done: n - 1}
		o.log(enum.LogLevelInfo, "partition done", map[string]any{"rows": 1_000_000})
	}
	if o.run.State != enum.RunStateRunning && o.run.FinishedAt == nil {
		at := o.run.CreatedAt.Add(time.Minute)
		o.run.FinishedAt = &at
	}
	return targetserver.GetRun200JSONResponse(*o.run), nil
}

func noRun(id int64) error {
	return refusal{Title: "Not Found", Status: 404, Detail: fmt.Sprintf("there is no run %d", id)}
}

// A refusal is a problem that an operation answers with.
type refusal targetapi.Problem

func (r refusal) Error() string { return r.Detail }

// handler serves an orchestrator.
func handler(o *orchestrator) http.Handler {
	fail := func(w http.ResponseWriter, _ *http.Request, err error) {
		r, ok := errors.AsType[refusal](err)
		if !ok {
			r = refusal{Title: "Bad Request", Status: http.StatusBadRequest, Detail: err.Error()}
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(r.Status)
		_ = json.NewEncoder(w).Encode(r)
	}
	r := chi.NewRouter()
	targetserver.Route(r, o, fail)
	return r
}

func (o *orchestrator) ListRuns(_ context.Context, r targetserver.ListRunsRequestObject) (targetserver.ListRunsResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := targetapi.RunList{Runs: []targetapi.Run{}}
	if o.run != nil && (r.Params.Before == nil || *r.Params.Before > o.run.Id) && *r.Params.Limit > 0 {
		list.Runs = append(list.Runs, *o.run)
	}
	return targetserver.ListRuns200JSONResponse{Body: list}, nil
}

func (o *orchestrator) CancelRun(_ context.Context, r targetserver.CancelRunRequestObject) (targetserver.CancelRunResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known(r.Id) {
		return nil, noRun(r.Id)
	}
	n := o.run.Partitions.Total
	o.run.State, o.run.Partitions = enum.RunStateCancelled, targetapi.RunCounts{Total: n, Cancelled: n}
	o.run.CancelledAt, o.run.CancelledBy = new(o.run.CreatedAt.Add(time.Minute)), new("ben")
	return targetserver.CancelRun200JSONResponse(*o.run), nil
}

func (o *orchestrator) RetryRun(_ context.Context, r targetserver.RetryRunRequestObject) (targetserver.RetryRunResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known(r.Id) {
		return nil, noRun(r.Id)
	}
	n := o.run.Partitions.Total
	o.run.State, o.run.Partitions, o.fails, o.run.FinishedAt = enum.RunStateQueued, targetapi.RunCounts{Total: n, Queued: n}, false, nil
	o.run.CancelledAt, o.run.CancelledBy, o.run.RetriedAt, o.run.RetriedBy = nil, nil, new(o.run.CreatedAt.Add(time.Hour)), new("eva")
	return targetserver.RetryRun200JSONResponse(*o.run), nil
}

func (o *orchestrator) GetRunLog(_ context.Context, r targetserver.GetRunLogRequestObject) (targetserver.GetRunLogResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known(r.Id) {
		return nil, noRun(r.Id)
	}
	return targetserver.GetRunLog200JSONResponse{Entries: o.entries[min(int(*r.Params.After), len(o.entries)):]}, nil
}

// GetSchedule tells of two hindrances while the run has a bound of 9 days.
func (o *orchestrator) GetSchedule(context.Context, targetserver.GetScheduleRequestObject) (targetserver.GetScheduleResponseObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := targetapi.Schedule{Cron: "0 1 * * *", Workers: 2, Next: []targetapi.ScheduledDay{}, Hindrances: []targetapi.Hindrance{}}
	if o.run != nil && o.run.Parallel != nil && *o.run.Parallel == 9 {
		s.Hindrances = []targetapi.Hindrance{
			{Cause: targetapi.QueuePaused, Detail: "The queue of days is paused."},
			{Cause: targetapi.SchedulePaused, Detail: "The schedule is paused."},
		}
	}
	return targetserver.GetSchedule200JSONResponse(s), nil
}

// UpdateSchedule keeps nothing: a schedule that is not paused has one time to come.
func (*orchestrator) UpdateSchedule(_ context.Context, r targetserver.UpdateScheduleRequestObject) (targetserver.UpdateScheduleResponseObject, error) {
	s := targetapi.Schedule{Cron: "0 1 * * *", Paused: r.Body.Paused, ChangedBy: new("ana"), Next: []targetapi.ScheduledDay{}, Hindrances: []targetapi.Hindrance{}}
	at := time.Date(2025, time.March, 1, 1, 0, 0, 0, time.UTC)
	s.ChangedAt = new(at.Add(-time.Hour))
	if s.Paused {
		s.Hindrances = []targetapi.Hindrance{{Cause: targetapi.SchedulePaused, Detail: "The schedule is paused."}}
	} else {
		s.Next = append(s.Next, targetapi.ScheduledDay{At: at, Day: targetapi.Day{Time: at.AddDate(0, 0, -1).Truncate(24 * time.Hour)}})
	}
	return targetserver.UpdateSchedule200JSONResponse(s), nil
}

// GetEvents says again and again that something has happened.
func (o *orchestrator) GetEvents(ctx context.Context, _ targetserver.GetEventsRequestObject) (targetserver.GetEventsResponseObject, error) {
	return events{ctx}, nil
}

type events struct{ client context.Context }

func (e events) VisitGetEventsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for id := 1; ; id++ {
		fmt.Fprintf(w, "id: %d\nevent: run\ndata: {\"id\":%d,\"at\":\"2025-03-01T01:00:00Z\",\"kind\":\"run\",\"run_id\":7,\"state\":\"running\"}\n\n", id, id)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		select {
		case <-e.client.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ListPartitions knows the days from 2024-12-29 to 2025-02-28, in all states.
func (o *orchestrator) ListPartitions(_ context.Context, r targetserver.ListPartitionsRequestObject) (targetserver.ListPartitionsResponseObject, error) {
	first, last := time.Date(2024, time.December, 29, 0, 0, 0, 0, time.UTC), time.Date(2025, time.February, 28, 0, 0, 0, 0, time.UTC)
	if r.Params.From != nil {
		first = r.Params.From.Time
	}
	if r.Params.To != nil {
		last = r.Params.To.Time
	}
	if first.Year() < 2000 {
		id := "7F3C2A"
		return nil, refusal{Title: "Internal Server Error", Status: 500, Detail: "the server failed to answer", RequestId: &id}
	}
	reason, next := "1 broken: turbine 3:\nno answer", time.Date(2025, time.March, 1, 1, 0, 8, 0, time.UTC)
	odd := map[string]targetapi.Partition{
		"2024-12-29": {State: enum.PartitionStatePruned},
		"2024-12-30": {State: enum.PartitionStateMissing},
		"2024-12-31": {State: enum.PartitionStateEmpty},
		"2025-01-10": {State: enum.PartitionStateStale},
		"2025-02-01": {State: enum.PartitionStateFailed, Error: &reason, Attempt: 2, NextAttemptAt: &next},
		"2025-02-25": {State: enum.PartitionStateDone, LoadedAt: new(time.Date(2025, time.February, 25, 12, 0, 0, 0, time.UTC))},
		"2025-02-26": {State: enum.PartitionStateCancelled},
		"2025-02-27": {State: enum.PartitionStateRunning},
		"2025-02-28": {State: enum.PartitionStateQueued},
	}
	list := targetapi.PartitionList{Partitions: []targetapi.Partition{}}
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		p, ok := odd[day.Format(time.DateOnly)]
		if !ok {
			p.State = enum.PartitionStateDone
		}
		p.Day, p.Over = targetapi.Day{Time: day}, p.LoadedAt == nil
		list.Partitions = append(list.Partitions, p)
	}
	response := targetserver.ListPartitions200JSONResponse{Body: list}
	if r.Params.From == nil && r.Params.To == nil {
		response.Headers.Link = new(`</partitions?from=0225-01-01&to=0225-01-01>; rel="prev", </partitions?from=9999-12-31&to=9999-12-31>; rel="next"`)
	}
	return response, nil
}

// GetPowerCurve knows a curve of the turbine that is asked for, or of all of them.
func (o *orchestrator) GetPowerCurve(_ context.Context, r targetserver.GetPowerCurveRequestObject) (targetserver.GetPowerCurveResponseObject, error) {
	p := r.Params
	if *p.Format == "csv" {
		return powerCurve{p.Start.String() + "," + p.Before.String() + "\r\n"}, nil
	}
	list := targetapi.PowerCurveList{Bin: 0.5, By: *p.By, Curves: []targetapi.PowerCurve{}}
	curve := targetapi.PowerCurve{Windows: 7, Expected: 144, Bins: []targetapi.PowerCurveBin{
		{Lower: 2.75, Upper: 3.25, Count: 4, WindSpeed: 3.01, Power: -7.26, PowerStd: new(2.0), PowerStandardError: new(1.0), Complete: true},
		{Lower: 4.75, Upper: 5.25, Count: 1, WindSpeed: 5.004, Power: 100},
		{Lower: 9.75, Upper: 10.25, Count: 3, WindSpeed: 10, Power: 400, PowerStd: new(20.1), PowerStandardError: new(11.6), Complete: true},
	}}
	switch {
	case *p.By == targetapi.CurveByFleet:
		list.Curves = []targetapi.PowerCurve{curve}
	case p.Turbines != nil:
		curve.TurbineId, curve.LeftOut.Flagged = new(int32(3)), new(int64(2))
		list.Curves = []targetapi.PowerCurve{curve, {TurbineId: new(int32(4)), Expected: 144, Bins: []targetapi.PowerCurveBin{}}}
	}
	return powerCurve{list}, nil
}

type powerCurve struct{ body any }

func (p powerCurve) VisitGetPowerCurveResponse(w http.ResponseWriter) error {
	if text, ok := p.body.(string); ok {
		w.Header().Set("Content-Type", "text/csv")
		_, err := w.Write([]byte(text))
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(p.body)
}

// GetDistribution knows a turbine with windows and one without.
func (o *orchestrator) GetDistribution(context.Context, targetserver.GetDistributionRequestObject) (targetserver.GetDistributionResponseObject, error) {
	return distribution{Bin: 0.5, Turbines: []targetapi.Distribution{
		{TurbineId: 1, Windows: 5, Expected: 144, Mean: new(4.5), Weibull: &targetapi.Weibull{A: 5.03, K: 2.1}, PowerDensity: new(90.2), Bins: []targetapi.DistributionBin{
			{Lower: 2.75, Upper: 3.25, Count: 1},
			{Lower: 4.75, Upper: 5.25, Count: 4, Turbulence: new(0.11), TurbulenceCount: 4},
		}},
		{TurbineId: 2, Expected: 144, Bins: []targetapi.DistributionBin{}},
	}}, nil
}

type distribution targetapi.DistributionList

func (d distribution) VisitGetDistributionResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(d)
}

// GetCoverage knows a turbine with gaps, one that logs too often and one of which nothing
// is expected.
func (o *orchestrator) GetCoverage(_ context.Context, r targetserver.GetCoverageRequestObject) (targetserver.GetCoverageResponseObject, error) {
	p := r.Params
	if *p.Format == "csv" {
		return periods{p.From.String() + "," + p.To.String() + "," + string(*p.By) + "\r\n"}, nil
	}
	if p.Turbines != nil {
		return periods{targetapi.CoverageList{Rows: []targetapi.Coverage{}}}, nil
	}
	return periods{targetapi.CoverageList{Rows: []targetapi.Coverage{
		{TurbineId: 1, Period: "2025-01-01", Expected: 1440, Read: map[string]int64{"wind_speed": 1430, "power": 700}, Both: 690, Coverage: new(690. / 1440)},
		{TurbineId: 2, Period: "2025-01-01", Expected: 144, Read: map[string]int64{"wind_speed": 288, "power": 288}, Both: 288, Coverage: new(2.)},
		{TurbineId: 2, Period: "2025-01-02", Expected: 144, Read: map[string]int64{}, Coverage: new(0.), PrunedDays: 1},
		{TurbineId: 3, Period: "2025-01-01", Read: map[string]int64{}},
	}}}, nil
}

// GetEnergy knows a turbine that turned, and one of which nothing was read.
func (o *orchestrator) GetEnergy(context.Context, targetserver.GetEnergyRequestObject) (targetserver.GetEnergyResponseObject, error) {
	return periods{targetapi.EnergyList{Rows: []targetapi.Energy{
		{TurbineId: 1, Period: "2025-01", EnergyKwh: new(1000.04), EnergyFilledKwh: new(1010.0), ConsumedKwh: new(3.25), CoveredHours: 700, Coverage: new(0.94), CapacityFactor: new(0.3)},
		{TurbineId: 1, Period: "2025-02", EnergyKwh: new(250.0), EnergyFilledKwh: new(250.0), ConsumedKwh: new(0.0), CoveredHours: 1.5, Coverage: new(0.002)},
		{TurbineId: 2, Period: "2025-01", Coverage: new(0.0)},
	}}}, nil
}

type periods struct{ body any }

func (p periods) VisitGetCoverageResponse(w http.ResponseWriter) error {
	return powerCurve(p).VisitGetPowerCurveResponse(w)
}

func (p periods) VisitGetEnergyResponse(w http.ResponseWriter) error {
	return powerCurve(p).VisitGetPowerCurveResponse(w)
}
