package source_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

// Links lead back to where the client came from.
func TestLinksUnderAPrefix(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *source.Config, _ *httpserve.Options) { c.Access.BasePath = "/delfos" })
	b.fill(3)
	for _, path := range []string{"/data", "/delfos/data"} {
		const query = "?start=2025-01-01&end=2025-01-02&limit=2"
		want := "<" + b.URL + "/delfos/data?cursor="
		a := b.Get(path + query)
		if got := a.Header.Get("Link"); !strings.HasPrefix(got, want) || a.Status != http.StatusOK {
			t.Errorf("%s: %d, Link %q", path, a.Status, got)
		}
		wantNotModified(t, b, path+query, a, "If-None-Match: "+a.Header.Get("ETag"))
	}
	if a := b.Get("/delfos/docs"); !strings.Contains(a.Body, `url: "/delfos/openapi.json"`) {
		t.Errorf("the docs are %s", a.Body)
	}
}

// A page that has pointed a name of its own here reads nothing.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL, func(c *source.Config, _ *httpserve.Options) { c.Access.Hosts = []string{"delfos.example.org"} })
	const data = "/data?start=2025-01-01&end=2025-01-02"
	for _, path := range []string{data, "/turbines", "/data/digest", "/docs", "/openapi.json", "/nothing"} {
		apitest.WantProblem(t, b.Get(path, "Host: evil.example:8000"), http.StatusForbidden, `"evil.example:8000"`, "ALLOWED_HOSTS")
	}
	apitest.WantProblem(t, b.Do(http.MethodPost, "/data", "", "Origin: https://evil.example"), http.StatusForbidden, "another site")
	for _, host := range []string{"delfos.example.org", "localhost:9"} {
		b.OK("/openapi.json", "Host: "+host)
	}
	b.OK("/health", "Host: 10.0.0.7")
}
