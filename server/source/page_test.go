package source_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
)

// crowd gives turbines 1 to 5 samples at the same minutes, but for turbine 3,
// which has none, and some between.
func crowd(b *bundle) {
	b.TB.Helper()
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 5) AS i")
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 min', i, turbine, NULL
		FROM generate_series(0, 7) AS i, unnest('{1,2,4,5}'::integer[]) AS turbine`)
	b.exec(`INSERT INTO data (turbine_id, timestamp, ambient_temperature) SELECT turbine, '2025-01-01 00:07:00.000001Z', turbine
		FROM unnest('{1,5}'::integer[]) AS turbine`)
}

// rowsOf reads an answer of JSON.
func rowsOf(t *testing.T, a apitest.Answer) []string {
	t.Helper()
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(a.Body), &raw); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	rows := make([]string, len(raw))
	for i, r := range raw {
		rows[i] = string(r)
	}
	return rows
}

// next is the address in an answer's Link; "" for the last page.
func next(t *testing.T, a apitest.Answer) string {
	t.Helper()
	link := a.Header.Get("Link")
	if link == "" {
		return ""
	}
	target, found := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	next, err := url.Parse(target)
	if !found || err != nil || next.Scheme != "http" || !strings.HasPrefix(next.Host, "127.0.0.1:") || next.Path != "/data" {
		t.Fatalf("Link is %q", link)
	}
	return next.RequestURI()
}

// Walking by Link gives the whole answer, whatever the pages' length and the
// choice of samples, and the request's parameters stay.
func TestPagesAreTheWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	crowd(b)
	for _, query := range []string{
		"start=2025-01-01&end=2025-01-01T12:00:00",
		"start=2025-01-01&end=2025-01-01T12:00:00&turbines=all",
		"start=2025-01-01&end=2025-01-01T12:00:00&turbines=2,4-5&turbines=3&variables=power,wind_speed",
		"start=2025-01-01T01:01:00+01:00&end=2025-01-01T00:06:00Z&turbines=all", // the plus unescaped
		"start=2025-01-01T00:07:00&end=2025-01-01T00:07:00.000001&turbines=1-5",
		"start=2025-01-01&end=2025-01-01T00:00:00.000001&turbines=1-5",
		"start=2026-01-01&end=2026-01-02&turbines=all",
	} {
		whole := rowsOf(t, b.Get("/data?"+query))
		for _, limit := range []int{1, 2, 3, 8, 9, max(1, len(whole)-1), len(whole) + 1, 10_000, max(1, len(whole))} {
			var walked []string
			pages := 0
			for path := "/data?" + query + "&limit=" + strconv.Itoa(limit); path != ""; {
				a := b.Get(path)
				page := rowsOf(t, a)
				walked = append(walked, page...)
				pages++
				path = next(t, a)
				if path != "" {
					u, err := url.Parse(path)
					if err != nil {
						t.Fatal(err)
					}
					if len(page) != limit || u.Query().Get("limit") != strconv.Itoa(limit) {
						t.Errorf("%s: a page of %d has %d rows, and %s follows", query, limit, len(page), path)
					}
				}
			}
			if diff := cmp.Diff(whole, walked); diff != "" && len(whole)+len(walked) > 0 {
				t.Errorf("%s by %d (-whole +pages):\n%s", query, limit, diff)
			}
			if want := max(1, (len(whole)+limit-1)/limit); pages != want {
				t.Errorf("%s by %d has %d pages, want %d", query, limit, pages, want)
			}
		}
	}
}

// What is deleted or added between two pages is missing or there, and nothing
// else moves: neither twice nor left out.
func TestPagesOfChangingSamples(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ sql string }{
		"nothing":                  {"SELECT"},
		"the row before":           {"DELETE FROM data WHERE turbine_id = 1 AND timestamp = '2025-01-01 00:04Z'"},
		"all that was sent":        {"DELETE FROM data WHERE turbine_id = 1 AND timestamp <= '2025-01-01 00:04Z'"},
		"the turbine":              {"DELETE FROM data WHERE turbine_id = 1"},
		"the turbine and its name": {"WITH gone AS (DELETE FROM data WHERE turbine_id = 1) SELECT"},
		"the row after":            {"DELETE FROM data WHERE turbine_id = 1 AND timestamp = '2025-01-01 00:05Z'"},
		"all":                      {"DELETE FROM data"},
		"a new one sent past":      {"INSERT INTO data VALUES (1, '2025-01-01 00:00:30Z', 1, 1, 1)"},
		"a new one to come":        {"INSERT INTO data VALUES (1, '2025-01-01 00:04:00.000001Z', 1, 1, 1), (3, '2025-01-01Z', 1, 1, 1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			crowd(b)
			const query = "/data?start=2025-01-01&end=2025-01-02&turbines=all"
			first := b.Get(query + "&limit=5")
			path := next(t, first)
			b.exec(change.sql)
			if strings.HasSuffix(name, "its name") {
				b.exec("DELETE FROM turbine WHERE id = 1")
			}
			var want []string
			for _, row := range rowsOf(t, b.Get(query)) {
				var key struct {
					Turbine   int `json:"turbine_id"`
					Timestamp string
				}
				if err := json.Unmarshal([]byte(row), &key); err != nil {
					t.Fatal(err)
				}
				if key.Turbine > 1 || key.Timestamp > "2025-01-01T00:04:00.000000Z" {
					want = append(want, row)
				}
			}
			var got []string
			for path != "" {
				a := b.Get(path)
				got = append(got, rowsOf(t, a)...)
				path = next(t, a)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after the first page (-want +got):\n%s", diff)
			}
		})
	}
}

// Without a selector the first turbine answers, and its pages go on when another comes
// before it or when it goes.
func TestFirstTurbine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const query = "/data?start=2025-01-01&end=2025-01-02"
	b.exec("DELETE FROM turbine")
	if got := b.Get(query); got.Status != http.StatusOK || got.Body != "[]" {
		t.Errorf("without turbines: %d %s, want []", got.Status, got.Body)
	}
	b.exec("INSERT INTO turbine VALUES (9, 'Nine'), (5, 'Five')")
	b.exec("INSERT INTO data SELECT id, '2025-01-01Z'::timestamptz + i * interval '1 min', id, i, NULL FROM turbine, generate_series(0, 3) AS i")
	whole := b.Get(query)
	rows := rowsOf(t, whole)
	if want := `{"timestamp":"2025-01-01T00:00:00Z","wind_speed":5.0,"power":0.0,"ambient_temperature":null}`; len(rows) != 4 || rows[0] != want {
		t.Fatalf("got %s, want four rows of turbine 5, the first %s", whole.Body, want)
	}
	path := next(t, b.Get(query+"&limit=2"))
	b.exec("INSERT INTO turbine VALUES (1, 'One')")
	b.exec("INSERT INTO data VALUES (1, '2025-01-01Z', 1, 1, 1)")
	if diff := cmp.Diff(rows[2:], rowsOf(t, b.Get(path))); diff != "" {
		t.Errorf("the second page, after a turbine came before the first (-want +got):\n%s", diff)
	}
	if got := b.Get(query); len(rowsOf(t, got)) != 1 || got.Header.Get("ETag") == whole.Header.Get("ETag") {
		t.Errorf("anew: got %s with the tag of turbine 5, want turbine 1", got.Body)
	}
	b.exec("DELETE FROM data WHERE turbine_id = 5")
	b.exec("DELETE FROM turbine WHERE id = 5")
	if got := b.Get(path); got.Body != "[]" {
		t.Errorf("the second page of a turbine that is gone: %s, want []", got.Body)
	}
}

// A cursor belongs to its start, end and turbines; all else may change.
func TestCursors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	crowd(b)
	const path = "/data?start=2025-01-01&end=2025-01-02&turbines=1-2"
	whole := rowsOf(t, b.Get(path))
	u, err := url.Parse(next(t, b.Get(path+"&limit=3")))
	if err != nil {
		t.Fatal(err)
	}
	cursor := "&cursor=" + u.Query().Get("cursor")

	rest := b.Get(path + cursor)
	if diff := cmp.Diff(whole[3:], rowsOf(t, rest)); diff != "" || rest.Header.Get("Link") != "" {
		t.Errorf("without a limit, Link %q (-want +got):\n%s", rest.Header.Get("Link"), diff)
	}
	wantSameHead(t, b, path+cursor, rest)
	wantNotModified(t, b, path+cursor, rest, "If-None-Match: "+rest.Header.Get("ETag"))
	for _, limit := range []int{1, 5, 6, 7, 14, 15, 16} {
		page := path + cursor + "&limit=" + strconv.Itoa(limit)
		a := b.Get(page)
		if diff := cmp.Diff(whole[3:min(3+limit, len(whole))], rowsOf(t, a)); diff != "" {
			t.Errorf("with a limit of %d (-want +got):\n%s", limit, diff)
		}
		wantSameHead(t, b, page, a)
		wantNotModified(t, b, page, a, "If-None-Match: "+a.Header.Get("ETag"))
	}
	csv := b.Get(path + cursor + "&format=csv&variables=power&limit=2")
	if want := "timestamp,turbine_id,power\r\n2025-01-01T00:03:00.000000Z,1,1.0\r\n2025-01-01T00:04:00.000000Z,1,1.0\r\n"; csv.Body != want {
		t.Errorf("as CSV %q, want %q", csv.Body, want)
	}
	if got := next(t, csv); !strings.Contains(got, "format=csv&limit=2") || !strings.Contains(got, "turbines=1-2&variables=power") {
		t.Errorf("the next page of CSV is %s", got)
	}
	// The same instants and turbines in other words.
	if diff := cmp.Diff(whole[3:], rowsOf(t, b.Get("/data?start=2025-01-01T01:00:00%2B01:00&end=2025-01-02T00:00:00Z&turbines=2,1"+cursor))); diff != "" {
		t.Errorf("in other words (-want +got):\n%s", diff)
	}

	for _, query := range []string{
		"start=2025-01-01T00:00:01&end=2025-01-02&turbines=1-2" + cursor,
		"start=2025-01-01&end=2025-01-03&turbines=1-2" + cursor,
		"start=2025-01-01&end=2025-01-02&turbines=1-3" + cursor,
		"start=2025-01-01&end=2025-01-02" + cursor,
		"start=2025-01-01&end=2025-01-02&turbines=1-2" + cursor[:len(cursor)-1] + "-",
		"start=2025-01-01&end=2025-01-02&turbines=1-2" + cursor + "A",
	} {
		p := apitest.WantProblem(t, b.Get("/data?"+query), http.StatusUnprocessableEntity, "cursor", `rel="next"`)
		if len(p.Errors) != 1 || p.Errors[0].Parameter != "cursor" {
			t.Errorf("%s: faults %+v", query, p.Errors)
		}
	}
}
