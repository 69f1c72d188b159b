package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/timestamp"
)

// day reads a day.
func day(tb testing.TB, s string) openapi_types.Date {
	tb.Helper()
	var d openapi_types.Date
	if err := d.UnmarshalText([]byte(s)); err != nil {
		tb.Fatal(err)
	}
	return d
}

// instant reads an instant.
func instant(tb testing.TB, s string) timestamp.Time {
	tb.Helper()
	t, err := timestamp.Parse(s)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// Every operation that answers JSON, through the generated client: as the golden
// file has it, and as openapi.yaml declares it.
func TestOperations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	b.values()
	c, valid := b.api(), b.validator()
	check := func(name, schema string, status, want int, body []byte, typed bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if status != want || !typed {
			t.Fatalf("%s: got %d %s", name, status, body)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", pretty.String())
		valid.check(t, schema, body)
	}
	ctx := t.Context()

	partitions, err := c.ListPartitionsWithResponse(ctx, &targetapi.ListPartitionsParams{})
	check("partitions", "PartitionList", partitions.StatusCode(), 200, partitions.Body, partitions.JSON200 != nil, err)
	some, err := c.ListPartitionsWithResponse(ctx, &targetapi.ListPartitionsParams{From: new(day(t, "2024-12-31")), To: new(day(t, "2025-01-01"))})
	check("partitions_some", "PartitionList", some.StatusCode(), 200, some.Body, some.JSON200 != nil, err)

	runs, err := c.ListRunsWithResponse(ctx, &targetapi.ListRunsParams{})
	check("runs", "RunList", runs.StatusCode(), 200, runs.Body, runs.JSON200 != nil, err)
	run, err := c.GetRunWithResponse(ctx, 1)
	check("run", "Run", run.StatusCode(), 200, run.Body, run.JSON200 != nil, err)
	log, err := c.GetRunLogWithResponse(ctx, 1, &targetapi.GetRunLogParams{})
	check("log", "RunLog", log.StatusCode(), 200, log.Body, log.JSON200 != nil, err)
	rest, err := c.GetRunLogWithResponse(ctx, 1, &targetapi.GetRunLogParams{After: new(int64(1)), Limit: new(int32(1))})
	check("log_rest", "RunLog", rest.StatusCode(), 200, rest.Body, rest.JSON200 != nil, err)
	none, err := c.GetRunLogWithResponse(ctx, 3, &targetapi.GetRunLogParams{})
	check("log_none", "RunLog", none.StatusCode(), 200, none.Body, none.JSON200 != nil, err)

	schedule, err := c.GetScheduleWithResponse(ctx)
	check("schedule", "Schedule", schedule.StatusCode(), 200, schedule.Body, schedule.JSON200 != nil, err)
	paused, err := c.UpdateScheduleWithResponse(ctx, targetapi.ScheduleUpdate{Paused: true})
	check("schedule_paused", "Schedule", paused.StatusCode(), 200, paused.Body, paused.JSON200 != nil, err)

	checks, err := c.ListChecksWithResponse(ctx, &targetapi.ListChecksParams{})
	check("checks", "CheckList", checks.StatusCode(), 200, checks.Body, checks.JSON200 != nil, err)
	warnings, err := c.ListChecksWithResponse(ctx, &targetapi.ListChecksParams{Status: new(targetapi.CheckStatusWarn), From: new(day(t, "2025-01-01"))})
	check("checks_warn", "CheckList", warnings.StatusCode(), 200, warnings.Body, warnings.JSON200 != nil, err)

	whole := func(turbines *targetapi.Turbines) *targetapi.ListFlagsParams {
		return &targetapi.ListFlagsParams{Start: instant(t, "2025-01-01"), End: instant(t, "2025-01-01T23:59:59Z"), Turbines: turbines}
	}
	flags, err := c.ListFlagsWithResponse(ctx, whole(nil))
	check("flags", "FlagList", flags.StatusCode(), 200, flags.Body, flags.JSON200 != nil, err)
	flagsOf2, err := c.ListFlagsWithResponse(ctx, whole(&targetapi.Turbines{"2-5"}))
	check("flags_2", "FlagList", flagsOf2.StatusCode(), 200, flagsOf2.Body, flagsOf2.JSON200 != nil, err)

	signals, err := c.ListSignalsWithResponse(ctx)
	check("signals", "SignalList", signals.StatusCode(), 200, signals.Body, signals.JSON200 != nil, err)
	revisions, err := c.ListRevisionsWithResponse(ctx, &targetapi.ListRevisionsParams{})
	check("revisions", "RevisionList", revisions.StatusCode(), 200, revisions.Body, revisions.JSON200 != nil, err)
	last, err := c.ListRevisionsWithResponse(ctx, &targetapi.ListRevisionsParams{Limit: new(int32(1)), To: new(day(t, "2025-01-05"))})
	check("revisions_last", "RevisionList", last.StatusCode(), 200, last.Body, last.JSON200 != nil, err)

	windows, err := c.GetWindowsWithResponse(ctx, &targetapi.GetWindowsParams{Start: instant(t, "2025-01-01"), End: instant(t, "2025-01-01T00:10:00Z"), Turbines: &targetapi.Turbines{"1"}})
	if err != nil || windows.JSON200 == nil {
		t.Fatalf("windows: %v %s", err, windows.Body)
	}
	for _, w := range *windows.JSON200 {
		one, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		valid.check(t, "Window", one)
	}
	health, err := c.GetHealthWithResponse(ctx)
	check("health", "Health", health.StatusCode(), 200, health.Body, health.JSON200 != nil, err)
	ready, err := c.GetReadyWithResponse(ctx)
	check("health", "Health", ready.StatusCode(), 200, ready.Body, ready.JSON200 != nil, err)
}

// Before anything is known, lists are empty and no errors.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.start = nil })
	for path, want := range map[string]string{
		"/partitions":                            "{\"partitions\":[]}\n",
		"/partitions?to=2025-01-09":              "{\"partitions\":[]}\n",
		"/partitions?from=2025-02-01":            "{\"partitions\":[]}\n",
		"/runs":                                  "{\"runs\":[]}\n",
		"/checks":                                "{\"checks\":[]}\n",
		"/revisions":                             "{\"revisions\":[]}\n",
		"/flags?start=2025-01-01&end=2026-01-01": "{\"flags\":[]}\n",
		"/windows?start=2025-01-01&end=2026-01-01": "[]",
	} {
		if a := b.get(path); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: got %d %s, want %s", path, a.status, a.body, want)
		}
	}
	// A range that was asked for is answered for, known or not.
	c := b.api()
	days, err := c.ListPartitionsWithResponse(t.Context(), &targetapi.ListPartitionsParams{From: new(day(t, "2025-01-08"))})
	if err != nil || days.JSON200 == nil || len(days.JSON200.Partitions) != 2 {
		t.Fatalf("from two days before today: %v %s", err, days.Body)
	}
	if p := days.JSON200.Partitions[1]; p.Day.String() != "2025-01-09" || p.State != targetapi.PartitionStateMissing {
		t.Errorf("yesterday is %v", p)
	}
}
