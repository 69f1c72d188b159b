package target_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/auth"
)

// Who changes something stands in the ledger, in the events and in the log: the name of
// the token, or "anonymous" where nobody is asked. What the schedule does has no actor. A run
// keeps the request that asked for it, which the log names as well.
func TestActor(t *testing.T) {
	t.Parallel()
	steps := []struct {
		who, method, path, body string
		logged                  string // the message
		ledger                  string // who it was
		events                  []string
	}{
		{
			"ana", "POST", "/runs", `{"from": "2025-01-01", "to": "2025-01-02"}`, "the run was asked for",
			"SELECT actor FROM run",
			[]string{"run queued %s"},
		},
		{
			"ben", "POST", "/runs/1/cancel", "", "the run was cancelled",
			"SELECT cancelled_by FROM run WHERE cancelled_at IS NOT NULL", nil, // CloseRuns adds it
		},
		{
			"eva", "POST", "/runs/1/retry", "", "the run was retried",
			"SELECT retried_by FROM run WHERE retried_at IS NOT NULL AND cancelled_by IS NULL",
			[]string{"run queued %s"},
		},
		{
			"ida", "PATCH", "/schedule", `{"paused": true}`, "the schedule was paused",
			"SELECT changed_by FROM schedule WHERE changed_at IS NOT NULL",
			[]string{"schedule paused %s"},
		},
		{
			"leo", "PATCH", "/schedule", `{"paused": false}`, "the schedule was resumed",
			"SELECT changed_by FROM schedule WHERE NOT paused",
			[]string{"schedule resumed %s", "run queued -"},
		},
		{
			"mia", "DELETE", "/partitions/2025-01-01?force=true", "", "a day was forgotten",
			"SELECT actor FROM forgotten",
			[]string{"partition missing %s"},
		},
	}
	tokens := filepath.Join(t.TempDir(), "tokens")
	headers := map[string][]string{}
	for _, step := range steps {
		token, err := auth.Create(t.Context(), tokens, auth.Token{Name: step.who, Scope: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		headers[step.who] = []string{"Content-Type: application/json", "Authorization: Bearer " + token}
	}
	gate, err := auth.Open(auth.Config{TokensFile: tokens})
	if err != nil {
		t.Fatal(err)
	}
	for name, gate := range map[string]*auth.Gate{"tokens": gate, "nobody is asked": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *options) { o.api.Gate = gate })
			var want []string
			for _, step := range steps {
				who := step.who
				if gate == nil {
					who = actor.Anonymous
				}
				asked := step.method + " " + step.path
				if a := b.Do(step.method, step.path, step.body, append(headers[step.who], "X-Request-ID: r-"+step.who)...); a.Status >= http.StatusBadRequest {
					t.Fatalf("%s: %d %s", asked, a.Status, a.Body)
				}
				if got := pgtest.Query[string](t, b.db, step.ledger); got != who {
					t.Errorf("%s: the ledger has %q, want %q", asked, got, who)
				}
				lines := b.log.Lines(step.logged)
				if len(lines) != 1 || lines[0].Text("actor") != who || strings.HasPrefix(step.path, "/runs") && lines[0].Text("request_id") != "r-"+step.who {
					t.Errorf("%s: the log has %v, want one line by %q, of the request r-%s", asked, lines, who, step.who)
				}
				for _, event := range step.events {
					want = append(want, strings.Replace(event, "%s", who, 1))
				}
			}
			requests := pgtest.Query[[]string](t, b.db, "SELECT array_agg(concat_ws(' ', trigger, coalesce(request_id, '-')) ORDER BY id) FROM run")
			if diff := cmp.Diff([]string{"backfill r-ana", "schedule -"}, requests); diff != "" {
				t.Errorf("requests of runs (-want +got):\n%s", diff)
			}
			got := pgtest.Query[[]string](t, b.db, "SELECT array_agg(concat_ws(' ', kind, state, coalesce(actor, '-')) ORDER BY entry) FROM event")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			for path, field := range map[string]string{"/runs/1": "actor", "/runs": "retried_by", "/schedule": "changed_by", "/runs?limit=2": "request_id"} {
				who := map[string]string{"actor": "ana", "retried_by": "eva", "changed_by": "leo", "request_id": "r-ana"}[field]
				if gate == nil && field != "request_id" {
					who = actor.Anonymous
				}
				if a := b.OK(path, headers["ana"]...); !strings.Contains(a.Body, fmt.Sprintf("%q:%q", field, who)) {
					t.Errorf("GET %s: %s: want %s %q", path, a.Body, field, who)
				}
			}
		})
	}
}
