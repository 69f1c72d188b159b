package source_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/server/source"
)

// Links lead back to where the client came from.
func TestLinksUnderAPrefix(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *source.Config, _ *source.Options) { c.Access.BasePath = "/delfos" })
	b.fill(3)
	for _, path := range []string{"/data", "/delfos/data"} {
		const query = "?start=2025-01-01&end=2025-01-02&limit=2"
		want := "<" + b.url + "/delfos/data?cursor="
		a := b.get(path + query)
		if got := a.header.Get("Link"); !strings.HasPrefix(got, want) || a.status != http.StatusOK {
			t.Errorf("%s: %d, Link %q", path, a.status, got)
		}
		wantNotModified(t, b, path+query, a, "If-None-Match: "+a.header.Get("ETag"))
	}
	if a := b.get("/delfos/docs"); !strings.Contains(a.body, `url: "/delfos/openapi.json"`) {
		t.Errorf("the docs are %s", a.body)
	}
}

// A page that has pointed a name of its own here reads nothing.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL, func(c *source.Config, _ *source.Options) { c.Access.Hosts = []string{"delfos.example.org"} })
	const data = "/data?start=2025-01-01&end=2025-01-02"
	for _, path := range []string{data, "/turbines", "/data/digest", "/docs", "/openapi.json", "/nothing"} {
		wantProblem(t, b.get(path, "Host: evil.example:8000"), http.StatusForbidden, `"evil.example:8000"`, "ALLOWED_HOSTS")
	}
	wantProblem(t, b.do(http.MethodPost, "/data", "Origin: https://evil.example"), http.StatusForbidden, "another site")
	for _, host := range []string{"delfos.example.org", "localhost:9"} {
		if a := b.get("/openapi.json", "Host: "+host); a.status != http.StatusOK {
			t.Errorf("for %s: %d %s", host, a.status, a.body)
		}
	}
	if a := b.get("/health", "Host: 10.0.0.7"); a.status != http.StatusOK {
		t.Errorf("a probe by address: %d %s", a.status, a.body)
	}
}
