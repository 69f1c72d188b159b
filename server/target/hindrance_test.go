package target_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/targetapi"
)

// Whatever keeps days from being loaded is told with the schedule, as it comes
// and goes.
func TestHindrances(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.river = true })
	want := func(causes ...targetapi.HindranceCause) {
		t.Helper()
		a := b.Get("/schedule")
		b.validator().check(t, "Schedule", []byte(a.Body))
		var schedule targetapi.Schedule
		if err := json.Unmarshal([]byte(a.Body), &schedule); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s (%v)", a.Status, a.Body, err)
		}
		got := []targetapi.HindranceCause{}
		for _, h := range schedule.Hindrances {
			got = append(got, h.Cause)
			if h.Detail == "" {
				t.Errorf("%s has no sentence", h.Cause)
			}
		}
		if diff := cmp.Diff(append([]targetapi.HindranceCause{}, causes...), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want(targetapi.NoWorkers, targetapi.DaysLeftOut)
	if a := b.Get("/schedule"); !strings.Contains(a.Body, `"left_out":{"days":2,"from":"2025-01-01","to":"2025-01-02"}`) {
		t.Errorf("the days left out are not told: %s", a.Body)
	}
	b.exec("INSERT INTO forgotten (day, token) VALUES ('2025-01-01', 1), ('2025-01-02', 1)")
	b.exec(`INSERT INTO worker (id, host, pid, workers, jobs, lease_until)
		VALUES ('a', 'h', 1, 2, '{}', clock_timestamp() + interval '1 hour'), ('dead', 'h', 2, 9, '{}', clock_timestamp() - interval '1 s')`)
	want()
	b.exec(`INSERT INTO river.river_queue (name, metadata, updated_at) VALUES ('partition', '{}', now())`)
	if a := b.Do(http.MethodPut, "/river/api/queues/partition/pause", ""); a.Status != http.StatusOK {
		t.Fatalf("pause the queue in River's page: %d %s", a.Status, a.Body)
	}
	want(targetapi.QueuePaused)
	b.exec("DELETE FROM worker WHERE id = 'a'")
	if a := b.Do(http.MethodPatch, "/schedule", `{"paused": true}`, "Content-Type: application/json"); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	want(targetapi.QueuePaused, targetapi.NoWorkers, targetapi.SchedulePaused)
	if a := b.Do(http.MethodPut, "/river/api/queues/partition/resume", ""); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	want(targetapi.NoWorkers, targetapi.SchedulePaused)
	b.exec("UPDATE schedule SET suspect_since = now(), suspect_reason = 'it has nothing' WHERE id = 1")
	want(targetapi.NoWorkers, targetapi.SchedulePaused, targetapi.SourceSuspect)
	b.exec("UPDATE worker SET settings = 'SCHEDULE=\"0 2 * * *\"', lease_until = clock_timestamp() + interval '1 hour'")
	want(targetapi.SchedulePaused, targetapi.SourceSuspect, targetapi.SettingsDiffer)
}
