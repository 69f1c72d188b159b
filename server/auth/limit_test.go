package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// A client that has all of its places is refused, others are not, and streams have places of their own.
func TestLimit(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	answer := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("long") {
			begun <- struct{}{}
			<-end
		}
	})
	var gate *auth.Gate
	limit := auth.Limit{Requests: 1, Followers: 1}.Hook(problem.Write)
	serve := func(o param.Operation) http.Handler { return gate.Hook(problem.Write)(o, limit(o, answer)) }
	mux := http.NewServeMux()
	mux.Handle("/data", serve(param.Operation{Scope: "read"}))
	mux.Handle("/events", serve(param.Operation{Scope: "read", Produces: []string{"text/event-stream"}}))
	mux.Handle("/health", serve(param.Operation{}))
	proxies := httpserve.Access{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	chain := httpserve.Chain{Log: new(apitest.Log).Logger(), Fail: problem.Write}
	server := httptest.NewServer(chain.Middleware(proxies.Middleware(problem.Write)(mux)))
	t.Cleanup(server.Close)
	asked := apitest.Client{TB: t, URL: server.URL}

	const first, second = "X-Forwarded-For: 10.0.0.9, 192.0.2.1", "X-Forwarded-For: 192.0.2.1, 192.0.2.2"
	ended := make(chan apitest.Answer, 1)
	go func() { ended <- asked.Get("/data?long", first) }()
	<-begun
	refused := asked.Get("/data", first)
	apitest.WantProblem(t, refused, http.StatusTooManyRequests, "1 requests", "try again")
	if got := refused.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	asked.OK("/data", second)
	asked.OK("/data")
	asked.OK("/events", first)
	asked.OK("/health", first)
	end <- struct{}{}
	<-ended
	asked.OK("/data", first)
}
