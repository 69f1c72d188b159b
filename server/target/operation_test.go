package target_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
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

// Every operation that answers JSON: as the golden file has it, and as
// openapi.yaml declares it.
func TestOperations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	b.values()
	valid := b.validator()
	const whole = "?start=2025-01-01&end=2025-01-01T23:59:59Z"
	for _, tt := range []struct{ name, schema, path string }{
		{"partitions", "PartitionList", "/partitions"},
		{"partitions_some", "PartitionList", "/partitions?from=2024-12-31&to=2025-01-01"},
		{"partitions_brief", "PartitionList", "/partitions?brief=true"},
		{"runs", "RunList", "/runs"},
		{"run", "Run", "/runs/1"},
		{"log", "RunLog", "/runs/1/log"},
		{"log_rest", "RunLog", "/runs/1/log?after=1&limit=1"},
		{"log_none", "RunLog", "/runs/3/log"},
		{"schedule", "Schedule", "/schedule"},
		{"status", "Status", "/status"},
		{"schedule_paused", "Schedule", ""},
		{"checks", "CheckList", "/checks"},
		{"checks_warn", "CheckList", "/checks?status=warn&from=2025-01-01"},
		{"flags", "FlagList", "/flags" + whole},
		{"flags_2", "FlagList", "/flags" + whole + "&turbines=2-5"},
		{"signals", "SignalList", "/signals"},
		{"revisions", "RevisionList", "/revisions"},
		{"revisions_last", "RevisionList", "/revisions?limit=1&to=2025-01-05"},
		{"health", "Health", "/health"},
		{"health", "Health", "/ready"},
	} {
		a := b.Get(tt.path)
		if tt.path == "" {
			a = b.Do(http.MethodPatch, "/schedule", `{"paused":true}`, "Content-Type: application/json")
		}
		if a.Status != http.StatusOK {
			t.Fatalf("%s: got %d %s", tt.name, a.Status, a.Body)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(a.Body), "", "  "); err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, tt.name+".json", pretty.String())
		valid.check(t, tt.schema, []byte(a.Body))
	}
	for _, w := range apitest.Decode[[]json.RawMessage](t, b.Get("/windows?start=2025-01-01&end=2025-01-01T00:10:00Z&turbines=1"), http.StatusOK) {
		valid.check(t, "Window", w)
	}
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
		if a := b.Get(path); a.Status != http.StatusOK || a.Body != want {
			t.Errorf("%s: got %d %s, want %s", path, a.Status, a.Body, want)
		}
	}
	// A range that was asked for is answered for, known or not.
	days := apitest.Decode[targetapi.PartitionList](t, b.Get("/partitions?from=2025-01-08"), http.StatusOK).Partitions
	if len(days) != 2 {
		t.Fatalf("from two days before today: %v", days)
	}
	if p := days[1]; p.Day.String() != "2025-01-09" || p.State != enum.PartitionStateMissing {
		t.Errorf("yesterday is %v", p)
	}
}
