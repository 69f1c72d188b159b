package target_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
)

// linked are the addresses of a Link, by relation.
func linked(a apitest.Answer) map[string]string {
	links := make(map[string]string)
	for _, m := range regexp.MustCompile(`<([^>]*)>; rel="([a-z]+)"`).FindAllStringSubmatch(a.Header.Get("Link"), -1) {
		links[m[2]] = m[1]
	}
	return links
}

// daysOf are the days of a list, each once.
func daysOf(t *testing.T, a apitest.Answer) []string {
	t.Helper()
	var lists map[string][]struct{ Day string }
	if err := json.Unmarshal([]byte(a.Body), &lists); err != nil || a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	var days []string
	for _, list := range lists {
		for _, item := range list {
			days = append(days, item.Day)
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// A day far away, as by a year that was mistyped or a clock that was never set,
// keeps no list from being answered; whoever wants it comes to it by a link.
func TestListsBesideUnbelievableDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	unbelievable := []string{"0001-01-01", "0225-01-01", "1970-01-01", "2099-01-01", "9999-12-31"}
	b.exec(`INSERT INTO run_partition (run_id, day, outcome, finished_at)
		SELECT 1, '1950-01-01'::date + n, 'cancelled', now() FROM generate_series(0, 16999) AS n`)
	for _, day := range unbelievable {
		b.exec("INSERT INTO partition (day, token, run_id, outcome, attempt, rows) VALUES ($1::text::date, 1, 1, 'done', 1, 15)", day)
		b.exec("INSERT INTO attempt (day, token, run_id, finished_at, outcome) VALUES ($1::text::date, 1, 1, now(), 'done')", day)
		b.exec("INSERT INTO check_result (day, check_name, variable, version, status, faults, detail, token) VALUES ($1::text::date, 'range', 'power', 1, 'warn', 1, '', 1)", day)
	}
	for path, want := range map[string][]string{
		"/partitions": {
			"2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09",
		},
		"/checks":              {"2025-01-01", "2025-01-05"},
		"/checks?status=block": {"2025-01-05"},
		"/revisions":           {"2025-01-01", "2025-01-05", "2025-01-08"},
		"/revisions?limit=1":   {"2025-01-08"},
	} {
		all := b.Get(path)
		if diff := cmp.Diff(want, daysOf(t, all)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		// From there each link leads on, and keeps what else was asked.
		for rel, edge := range map[string]string{"prev": "0001-01-01", "next": "9999-12-31"} {
			var reached []string
			for a := all; linked(a)[rel] != ""; {
				to, err := url.Parse(linked(a)[rel])
				if err != nil || to.Query().Get("status") != "" && !strings.Contains(path, "status=") {
					t.Fatalf("%s: %s leads to %v", path, rel, to)
				}
				a = b.Get(to.String())
				reached = append(reached, daysOf(t, a)...)
				if path != "/partitions" { // leads the same way
					reached = append(reached, "the edge")
					break
				}
				if rel == "prev" && to.Query().Get("to") <= edge || rel == "next" && to.Query().Get("from") >= edge {
					reached = append(reached, "the edge")
				}
			}
			if !slices.Contains(reached, "the edge") || path == "/partitions" && !slices.Contains(reached, edge) {
				t.Errorf("%s: %s never leads to %s", path, rel, edge)
			}
		}
	}
	// Asked for, it is shown: reading does no harm.
	for _, day := range unbelievable {
		for _, path := range []string{"/partitions", "/checks", "/revisions"} {
			if got := daysOf(t, b.Get(path+"?from="+day+"&to="+day)); !slices.Equal(got, []string{day}) {
				t.Errorf("%s of %s: got %v", path, day, got)
			}
			for _, bound := range []string{"from", "to"} {
				b.OK(path + "?" + bound + "=" + day)
			}
		}
	}
	b.OK("/schedule")
}

// The newest days of a range come first to whom limits them, and Link leads to the others.
func TestNewestDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	path := "/partitions?brief=true&from=2025-01-01&to=2025-01-09&limit=4"
	for _, want := range [][]string{
		{"2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09"},
		{"2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05"},
		{"2025-01-01"},
	} {
		a := b.Get(path)
		if diff := cmp.Diff(want, daysOf(t, a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		path = linked(a)["prev"]
	}
	if path != "" {
		t.Errorf("the first day leads to %s", path)
	}
	rest := b.URL + "/partitions?from=2025-01-01&limit=4&to=2025-01-05"
	for query, want := range map[string]string{"limit=4": rest, "limit=4&from=2025-01-01": rest, "limit=9": "", "limit=20000": ""} {
		if got := linked(b.OK("/partitions?" + query))["prev"]; got != want {
			t.Errorf("%s leads to %q, want %q", query, got, want)
		}
	}
}

// Days that are more often mistyped than meant are loaded for who says that they
// are meant.
func TestRunOfUnbelievableDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, day := range []string{"0001-01-01", "0225-01-01", "1979-12-31", "2025-01-12", "9999-12-31"} {
		body := `{"from": "` + day + `", "to": "` + day + `"`
		apitest.WantProblem(t, b.Post("/runs", body+"}"), http.StatusUnprocessableEntity, day, "1980-01-01 to 2025-01-11", "allow_dates")
		apitest.WantProblem(t, b.Post("/runs", body+`, "allow_dates": false}`), http.StatusUnprocessableEntity, day)
		for _, dry := range []string{"true", "false"} {
			if a := b.Post("/runs", body+`, "allow_dates": true, "dry_run": `+dry+`}`); a.Status/100 != 2 || !strings.Contains(a.Body, `"partitions":1`) {
				t.Errorf("%s, allowed, dry run %s: got %d %s", day, dry, a.Status, a.Body)
			}
		}
	}
	for _, day := range []string{"1980-01-01", "2025-01-11"} {
		if a := b.Post("/runs", `{"from": "`+day+`", "to": "`+day+`"}`); a.Status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", day, a.Status, a.Body)
		}
	}
	// Both ends of what can be written, each in a run of its own, can be shown.
	if got := daysOf(t, b.Get("/partitions?from=9999-12-31&to=9999-12-31")); !slices.Equal(got, []string{"9999-12-31"}) {
		t.Errorf("got %v", got)
	}
	if a := b.Get("/runs"); a.Status != http.StatusOK || strings.Count(a.Body, `"id":`) != 7 {
		t.Errorf("runs: got %d %s", a.Status, a.Body)
	}
	// The same key is the same request only with the same permission.
	const body = `{"from": "2025-01-01", "to": "2025-01-02"`
	if a := b.Post("/runs", body+"}", "Idempotency-Key: one"); a.Status != http.StatusAccepted {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	apitest.WantProblem(t, b.Post("/runs", body+`, "allow_dates": true}`, "Idempotency-Key: one"), http.StatusUnprocessableEntity, "Idempotency-Key")
}
