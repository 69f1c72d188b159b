package console_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	gen "github.com/delfos/delfos/gen/console"
	"github.com/delfos/delfos/server/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The page and all that it names are there, compressed for whom takes that, and kept
// for ever where a name has its content's hash.
func TestPage(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	console.Mount(r)
	get := func(path, encoding string) (*http.Response, string) {
		t.Helper()
		w := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		request.Header.Set("Accept-Encoding", encoding)
		r.ServeHTTP(w, request)
		answer := w.Result()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, answer.Status, err)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		return answer, string(body)
	}
	page, text := get("/", "")
	if got := page.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the page is kept: %q", got)
	}
	for _, kind := range []string{"js", "css"} {
		name := regexp.MustCompile(`"(console/main-[A-Z0-9]+\.` + kind + `)"`).FindStringSubmatch(text)
		if name == nil {
			t.Fatalf("the page names no %s: %s", kind, text)
		}
		packed, short := get("/"+name[1], "gzip")
		plain, long := get("/"+name[1], "identity")
		if got := packed.Header.Get("Content-Encoding"); got != "gzip" || len(short) >= len(long) {
			t.Errorf("%s is not compressed: %q, %d of %d bytes", name[1], got, len(short), len(long))
		}
		for _, answer := range []*http.Response{packed, plain} {
			if got := answer.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
				t.Errorf("%s is not kept: %q", name[1], got)
			}
		}
	}
}

// The page of a view names what the view loads, of the days that its address asks for; that
// of an unknown view is the overview's.
func TestPreloads(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	console.Mount(r)
	const partitions = `href="partitions`
	for query, want := range map[string][]string{
		"":                 {"console/overview-", `href="status"`, partitions + `?brief=true&amp;limit=800"`},
		"?view=../console": {"console/overview-", `href="status"`, partitions + `?brief=true&amp;limit=800"`},
		"?view=calendar":   {"console/calendar-", partitions + `?brief=true&amp;limit=800"`},
		"?view=calendar&to=2025-01-05&from=2024-02-01": {"console/calendar-", partitions + `?brief=true&amp;from=2024-02-01&amp;limit=800&amp;to=2025-01-05"`},
		`?view=calendar&from="><script>`:               {"console/calendar-", partitions + `?brief=true&amp;from=%22%3E%3Cscript%3E&amp;limit=800"`},
		"?view=power-curve":                            {"console/power-curve-", `href="turbines?span=true&amp;start=`},
		"?view=data&from=no":                           {"console/data-", `href="signals"`, `href="turbines?`},
	} {
		w := httptest.NewRecorder()
		address := url.URL{Path: "/", RawQuery: strings.TrimPrefix(query, "?")}
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, address.String(), nil))
		text := w.Body.String()
		preloads := regexp.MustCompile(`<link rel="preload" .*>`).FindAllString(text, -1)
		if len(preloads) != len(want)-1 {
			t.Errorf("%s: %q", query, preloads)
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %s is not in %s", query, part, text)
			}
		}
		for _, named := range regexp.MustCompile(`"console/([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if _, err := gen.Files.ReadFile("files/" + named[1] + ".gz"); err != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
		if strings.ContainsAny(text, "{}") || strings.Contains(text, "data-view") {
			t.Errorf("%s: %s", query, text)
		}
	}
}

// All that the page may ever load, as it is sent, is less than a picture weighs.
func TestWeight(t *testing.T) {
	t.Parallel()
	const most = 100 << 10
	files, err := fs.ReadDir(gen.Files, "files")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		t.Logf("%6d bytes: %s", info.Size(), file.Name())
	}
	if total > most {
		t.Errorf("the page weighs %d bytes compressed, at most %d are allowed", total, most)
	}
}
