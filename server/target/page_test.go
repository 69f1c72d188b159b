package target_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/stream"
)

// linesOf are the rows of an answer in CSV.
func linesOf(t *testing.T, a apitest.Answer) []string {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", a.Status, a.Body)
	}
	_, rows, _ := strings.Cut(a.Body, "\r\n")
	return strings.SplitAfter(strings.TrimSuffix(rows, "\r\n"), "\r\n")
}

// Walking by Link gives the whole answer, in every shape and whatever the pages'
// length.
func TestPagesOfWindowsAreTheWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	b.exec("UPDATE data SET turbine_id = 9 WHERE turbine_id = 2")
	b.exec("INSERT INTO data VALUES (4, 6, '2024-01-01Z', 1), (4, 1, '2025-01-01 00:40Z', 1), (4, 5, '2025-01-01 00:40Z', 1)")
	for _, query := range []string{
		hour, hour + "&wide=true", hour + "&naming=openoa", hour + "&wide=true&signals=power_mean&label=end",
		hour + "&signals=power_mean,wind_speed_mean&turbines=1,9", "/windows?start=2020-01-01&before=2026-01-01",
		"/windows?start=0001-01-01&end=9999-12-31&signals=wind_speed_count", hour + "&turbines=7",
		hour + "&step=10m&tz=Asia/Kolkata", "/windows?start=2025-01-01T00:10Z&end=2025-01-02&step=1h",
		"/windows?start=2020-01-01&before=2026-01-01&step=1mo&wide=true&tz=Europe/Berlin&label=end", "/windows?start=2020-01-01&before=2026-01-01&step=1d&naming=openoa",
		"/windows?start=0001-01-01T00:00Z&end=9999-12-31T23:59Z&step=1mo&signals=wind_speed_std,power_count&tz=Pacific/Apia&label=end",
	} {
		query += "&format=csv"
		whole := linesOf(t, b.Get(query))
		for _, limit := range []int{1, 2, 3, len(whole), len(whole) + 1} {
			var walked []string
			next := query + "&limit=" + strconv.Itoa(limit)
			for pages := 0; next != "" && pages <= len(whole); pages++ {
				a := b.Get(next)
				walked = append(walked, strings.TrimSuffix(strings.Join(linesOf(t, a), ""), "\r\n")+"\r\n")
				next = linked(a)["next"]
			}
			if diff := cmp.Diff(strings.Join(whole, ""), strings.TrimSuffix(strings.Join(walked, ""), "\r\n")); diff != "" {
				t.Errorf("%s by %d (-whole +pages):\n%s", query, limit, diff)
			}
		}
	}
}

// A cursor belongs to its shape and signals, beside its span.
func TestCursorsOfWindows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	_, cursor, _ := strings.Cut(linked(b.Get(hour + "&signals=power_mean,power_min&limit=1"))["next"], "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	if cursor == "" {
		t.Fatal("a page of one row has no next one")
	}
	for _, query := range []string{"&wide=true&signals=power_mean,power_min", "", "&signals=power_mean", "&naming=openoa"} {
		apitest.WantProblem(t, b.Get(hour+query+"&cursor="+cursor), http.StatusUnprocessableEntity, `rel="next"`)
	}
	if rows := linesOf(t, b.Get(hour+"&signals=power_min,power_mean,power_min&format=csv&label=end&cursor="+cursor)); len(rows) != 7 {
		t.Errorf("the rest has %d rows, want 7", len(rows))
	}
}

// A tag is true until a load changes a value of a day asked for, or whether the day
// is loaded.
func TestTagsOfWindows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	b.exec("INSERT INTO partition (day, outcome, target_digest) VALUES ('2025-01-01', 'done', 1), ('2025-01-02', 'failed', 2), ('2025-01-03', 'done', 3)")
	const day = "/windows?start=2025-01-01&before=2025-01-02"
	tags := map[string]string{}
	for _, query := range []string{day, day + "&wide=true", day + "&signals=power_mean", day + "&limit=5", day + "&format=csv", day + "&label=end", day + "&turbines=1", day + "&step=1h", day + "&step=1d", day + "&step=1d&tz=Asia/Kolkata", "/windows?start=2025-01-01&end=2025-01-02"} {
		a := b.OK(query)
		tag := a.Header.Get("ETag")
		if other, ok := tags[tag]; ok || tag == "" {
			t.Errorf("%s has the tag %q of %s", query, tag, other)
		}
		tags[tag] = query
		if a.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: Cache-Control is %q", query, a.Header.Get("Cache-Control"))
		}
		again := b.Get(query, `If-None-Match: "x"`, "If-None-Match: "+tag)
		if again.Status != http.StatusNotModified || again.Body != "" || again.Header.Get("ETag") != tag || again.Header.Get("Delfos-Loaded-Until") == "" {
			t.Errorf("%s by its tag: got %d %v, want 304", query, again.Status, again.Header)
		}
		if head := b.Do(http.MethodHead, query, ""); head.Header.Get("ETag") != tag {
			t.Errorf("HEAD %s has the tag %q, want %q", query, head.Header.Get("ETag"), tag)
		}
	}
	tag := b.Get(day).Header.Get("ETag")
	for _, step := range []struct {
		sql     string
		changes bool
	}{
		{"UPDATE partition SET target_digest = 4 WHERE day = '2025-01-03'", false},
		{"UPDATE partition SET token = 7, lease_until = NULL, source_digest_seen = 3 WHERE day = '2025-01-01'", false},
		{"UPDATE partition SET target_digest = 5 WHERE day = '2025-01-01'", true},
		{"UPDATE partition SET outcome = 'failed', error = 'x' WHERE day = '2025-01-01'", true},
		{"DELETE FROM partition WHERE day = '2025-01-01'", true},
	} {
		b.exec(step.sql)
		now := b.Get(day).Header.Get("ETag")
		if (now != tag) != step.changes {
			t.Errorf("%s: the tag was %s and is %s, want a change %t", step.sql, tag, now, step.changes)
		}
		tag = now
	}
}

// An answer of more than 256 KiB has its tag as a header too.
func TestTagOfLongWindows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO data SELECT 1, s, at, 1 FROM generate_series(1, 15) AS s, generate_series('2025-01-01Z'::timestamptz, '2025-01-09Z', '10 min') AS at`)
	a := b.OK("/windows?start=2025-01-01&end=2025-01-10")
	if len(a.Body) < stream.WholeSize || a.Header.Get("ETag") == "" || a.Trailer.Get("ETag") != "" {
		t.Errorf("%d bytes have the headers %v and the trailers %v", len(a.Body), a.Header, a.Trailer)
	}
}

// The header tells days that are not loaded from windows without a reading.
func TestLoadedUntil(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO run (trigger, first_day, last_day) VALUES ('today', '2025-01-11', '2025-01-11')")
	b.exec(`INSERT INTO partition (day, outcome, error, started_at, run_id) VALUES
		('2025-01-01', 'done', NULL, '2025-01-02Z', NULL), ('2025-01-02', 'empty', NULL, '2025-01-05Z', NULL), ('2025-01-03', 'done', NULL, '2025-01-05Z', NULL),
		('2025-01-04', 'failed', 'x', '2025-01-05Z', NULL), ('2025-01-05', 'done', NULL, '2025-01-06Z', NULL), 
		('2025-01-09', 'done', NULL, '2025-01-10Z', NULL), ('2025-01-10', 'done', NULL, '2025-01-10 23:59:59Z', NULL), ('2025-01-11', 'done', NULL, '2025-01-12Z', 1), ('2025-01-12', 'pruned', NULL, '2025-01-14Z', NULL), ('2025-01-13', 'done', NULL, '2025-01-14Z', NULL)`)
	b.exec("INSERT INTO partition (day) VALUES ('2025-01-07')")
	for query, want := range map[string]string{
		"start=2025-01-01&before=2025-01-02":                      "2025-01-02T00:00:00Z",
		"start=2025-01-01T12:00&end=2025-01-02":                   "2025-01-03T00:00:00Z",
		"start=2025-01-01&end=2025-01-09":                         "2025-01-04T00:00:00Z",
		"start=2025-01-04&end=2025-01-09":                         "2025-01-04T00:00:00Z",
		"start=2025-01-05T23:59&end=2025-01-09":                   "2025-01-06T00:00:00Z",
		"start=2025-01-07&end=2025-01-09":                         "2025-01-07T00:00:00Z",
		"start=2024-12-31&end=2025-01-09":                         "2024-12-31T00:00:00Z",
		"start=2025-01-09&end=2025-01-10T06:00&wide=true&limit=1": "2025-01-10T00:00:00Z",
		"start=2025-01-11&end=2025-01-12":                         "2025-01-11T00:00:00Z",
		"start=2025-01-12&end=2025-01-13":                         "2025-01-12T00:00:00Z",
		"start=0001-01-01&end=9999-12-31":                         "0001-01-01T00:00:00Z",
	} {
		if got := b.OK("/windows?" + query).Header.Get("Delfos-Loaded-Until"); got != want {
			t.Errorf("%s: Delfos-Loaded-Until is %s, want %s", query, got, want)
		}
	}
}
