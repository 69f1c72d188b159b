package target_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/httpserve"
)

const prefix = "/delfos"

// shown puts a proxy before the API that shows it under the prefix and hands
// requests on with or without it. Anything that is asked for beside the prefix is
// not the API's.
func shown(t *testing.T, b *bundle, strips, tells bool) string {
	t.Helper()
	api, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != prefix && !strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.Error(w, "outside", http.StatusTeapot)
			return
		}
		proxy := httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(api)
			if strips {
				p.Out.URL.Path, p.Out.URL.RawPath = strings.TrimPrefix(p.In.URL.Path, prefix), strings.TrimPrefix(p.In.URL.RawPath, prefix)
			}
			if tells {
				p.SetXForwarded()
				p.Out.Header.Set("X-Forwarded-Proto", "http")
				p.Out.Header.Set("X-Forwarded-Prefix", prefix)
			} else {
				p.Out.Host = p.In.Host
			}
		}}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// Under a prefix every address that an answer has is one under the prefix, and
// leads back to the API, whether the proxy strips it or not, tells of it or not.
func TestPrefix(t *testing.T) {
	t.Parallel()
	trusted := httpserve.Access{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for name, tt := range map[string]struct {
		access        httpserve.Access
		strips, tells bool
	}{
		"configured, stripped":     {httpserve.Access{BasePath: prefix}, true, false},
		"configured, not stripped": {httpserve.Access{BasePath: prefix}, false, false},
		"told, stripped":           {trusted, true, true},
		"told, not stripped":       {trusted, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *options) { o.river, o.api.Access = true, tt.access })
			direct := b.URL
			b.URL = shown(t, b, tt.strips, tt.tells)
			if a := b.Get(prefix + "/"); !strings.Contains(a.Body, `src="console/main-`) || a.Status != http.StatusOK {
				t.Errorf("/ is not the console: %d %s", a.Status, a.Body)
			}
			for _, page := range []string{"/docs", "/redoc", "/river/"} {
				b.walk(page)
			}
			b.exec("INSERT INTO run (trigger, first_day, last_day) SELECT 'backfill', '2025-01-01', '2025-01-01' FROM generate_series(1, 3)")
			a := b.Get(prefix + "/runs?limit=2")
			if next := linked(a)["next"]; !strings.HasPrefix(next, b.URL+prefix+"/runs?") || b.Get(next).Status != http.StatusOK {
				t.Errorf("the next runs are at %q", next)
			}
			made := b.Post(prefix+"/runs", `{"from": "2025-01-01", "to": "2025-01-01"}`)
			if at := made.Header.Get("Location"); !strings.HasPrefix(at, b.URL+prefix+"/runs/") || b.Get(at).Status != http.StatusOK {
				t.Errorf("the run is at %q: %d %s", at, made.Status, made.Body)
			}
			if p := apitest.WantProblem(t, b.Get(prefix+"/nothing"), http.StatusNotFound); p.Instance != prefix+"/nothing" {
				t.Errorf("the problem is of %s", p.Instance)
			}
			b.OK(prefix + "/river/api/jobs?state=available")
			b.OK(prefix+"/river", "Accept: text/html")
			for _, contract := range []string{"/openapi.json", "/openapi.yaml"} {
				if text := b.Get(prefix + contract).Body; strings.Contains(text, `"url":"/"`) || strings.Contains(text, "url: /\n") || !strings.Contains(text, prefix) {
					t.Errorf("%s has servers at the root", contract)
				}
			}
			b.URL = direct
			if a := b.Get("/runs?limit=2"); tt.tells && !strings.HasPrefix(linked(a)["next"], direct+"/runs?") {
				t.Errorf("past the proxy the next runs are at %q", linked(a)["next"])
			}
		})
	}
}

// walk gets a page and all that it loads.
func (b *bundle) walk(page string) {
	b.TB.Helper()
	a := b.Get(prefix+page, "Accept: text/html")
	if a.Status != http.StatusOK {
		b.TB.Fatalf("%s: %d %s", page, a.Status, a.Body)
	}
	base, err := url.Parse(b.URL + prefix + page)
	if err != nil {
		b.TB.Fatal(err)
	}
	found := regexp.MustCompile(`(?:src|href|spec-url)="([^"]*)"|(?:url|apiUrl"|base"): ?"([^"]*)"`).FindAllStringSubmatch(a.Body, -1)
	if len(found) < 2 {
		b.TB.Errorf("%s loads %q", page, found)
	}
	for _, m := range found {
		part, err := base.Parse(m[1] + m[2])
		if err != nil {
			b.TB.Fatal(err)
		}
		if part.Scheme == "data" || strings.HasSuffix(part.Path, "/river/api") {
			continue
		}
		if got := b.Get(part.String(), "Accept: */*"); got.Status != http.StatusOK || got.Body == "" {
			b.TB.Errorf("%s loads %s: %d", page, part, got.Status)
		}
	}
}

// A client that nobody trusts can't say where it came from.
func TestForwardedByNobody(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL, func(o *options) { o.api.Access.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	forged := []string{"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil"}
	for _, path := range []string{"/docs", "/redoc", "/openapi.json", "/openapi.yaml"} {
		if got, want := b.Get(path, forged...), b.Get(path); got.Status != http.StatusOK || got.Body != want.Body {
			t.Errorf("%s is %d, and another with forged headers", path, got.Status)
		}
	}
	var doc struct{ Servers []struct{ URL string } }
	if err := json.NewDecoder(strings.NewReader(b.Get("/openapi.json", forged...).Body)).Decode(&doc); err != nil && err != io.EOF || doc.Servers[0].URL != "/" {
		t.Errorf("servers %+v (%v)", doc.Servers, err)
	}
}
