package target_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// River UI is another's program: our checks leave its requests alone.
func TestRiverUI(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.river = true })
	if a := b.Post("/runs", `{"from": "2025-01-01", "to": "2025-01-03"}`); a.Status != http.StatusAccepted {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/river", "/river/", "/river/jobs?state=available&any=1&any=2"} {
		a := b.Get(path, "Accept: text/html")
		if a.Status != http.StatusOK || !strings.Contains(a.Body, "/river/assets/") {
			t.Fatalf("%s: %d %.200s", path, a.Status, a.Body)
		}
		if path == "/river/" {
			_, rest, _ := strings.Cut(a.Body, `src="`)
			script, _, _ := strings.Cut(rest, `"`)
			if s := b.Get(script); s.Status != http.StatusOK || !strings.Contains(s.Header.Get("Content-Type"), "javascript") {
				t.Errorf("%s: %d %v", script, s.Status, s.Header)
			}
		}
	}
	a := b.Get("/river/api/jobs?state=available&limit=20&unheard_of=1")
	var jobs struct {
		Data []struct {
			ID   int64           `json:"id"`
			Kind string          `json:"kind"`
			Args json.RawMessage `json:"args"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(a.Body), &jobs); err != nil || a.Status != http.StatusOK || len(jobs.Data) != 3 || jobs.Data[0].Kind != "partition" {
		t.Fatalf("%d %s (%v)", a.Status, a.Body, err)
	}
	if a := b.Post("/river/api/jobs/cancel", `{"ids": [], "more": 1}`); a.Status >= 500 || a.Header.Get("Content-Type") == "application/problem+json" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
}
