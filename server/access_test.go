package server_test

import (
	"net/http"
	"testing"

	"github.com/delfos/delfos/server"
)

// A page that has pointed a name of its own here reads nothing.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL, func(c *server.Config, _ *server.Options) { c.Access.Hosts = []string{"delfos.example.org"} })
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
