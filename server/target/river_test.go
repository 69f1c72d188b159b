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
	if a := b.post("/runs", `{"from": "2025-01-01", "to": "2025-01-03"}`); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/river", "/river/", "/river/jobs?state=available&any=1&any=2"} {
		a := b.get(path, "Accept: text/html")
		if a.status != http.StatusOK || !strings.Contains(a.body, "/river/assets/") {
			t.Fatalf("%s: %d %.200s", path, a.status, a.body)
		}
		if path == "/river/" {
			_, rest, _ := strings.Cut(a.body, `src="`)
			script, _, _ := strings.Cut(rest, `"`)
			if s := b.get(script); s.status != http.StatusOK || !strings.Contains(s.header.Get("Content-Type"), "javascript") {
				t.Errorf("%s: %d %v", script, s.status, s.header)
			}
		}
	}
	a := b.get("/river/api/jobs?state=available&limit=20&unheard_of=1")
	var jobs struct {
		Data []struct {
			ID   int64           `json:"id"`
			Kind string          `json:"kind"`
			Args json.RawMessage `json:"args"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(a.body), &jobs); err != nil || a.status != http.StatusOK || len(jobs.Data) != 3 || jobs.Data[0].Kind != "partition" {
		t.Fatalf("%d %s (%v)", a.status, a.body, err)
	}
	if a := b.post("/river/api/jobs/cancel", `{"ids": [], "more": 1}`); a.status >= 500 || a.header.Get("Content-Type") == "application/problem+json" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}
