// Package access_test asks every operation of both servers as every kind of client
// does, and holds the answers against a table.
package access_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/issuertest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/test/servetest"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
	"github.com/delfos/delfos/server/target"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A way is how a kind of client asks.
type way struct {
	name    string
	headers []string
}

// The table of who may do what: it walks the contract that each server serves, so that an
// operation that is new stands in it by itself. What a status of 200, 202, 204 or 404 has in
// common is that the client was let through.
func TestTable(t *testing.T) {
	t.Parallel()
	issuer := issuertest.Start(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	ways := clients(t, issuer, tokens)
	gate, err := auth.Open(auth.Config{TokensFile: tokens, Issuer: issuer.URL, Audience: "delfos"})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, server := range []struct {
		name, url string
		pages     []string
	}{
		{"source", serveSource(t, gate), []string{"/", "/docs", "/redoc", "/openapi.json", "/openapi.yaml"}},
		{"target", serveTarget(t, gate), []string{"/", "/docs", "/redoc", "/openapi.json", "/openapi.yaml", "/river/", "/river/api/queues"}},
	} {
		fmt.Fprint(w, server.name, "\t")
		for _, way := range ways {
			fmt.Fprint(w, "\t", way.name)
		}
		fmt.Fprintln(w)
		asked := operations(t, apitest.Client{TB: t, URL: server.url}.OK("/openapi.json").Body)
		for _, page := range server.pages {
			asked = append(asked, operation{method: http.MethodGet, path: page, query: page})
		}
		for _, o := range asked {
			fmt.Fprint(w, o.method, "\t", o.path)
			for _, way := range ways {
				fmt.Fprint(w, "\t", status(t, server.url, o, way))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "table.txt", strings.TrimRight(table.String(), "\n")+"\n")
}

// clients are the kinds of clients, whose tokens are in the file.
func clients(t *testing.T, issuer *issuertest.Issuer, tokens string) []way {
	t.Helper()
	create := func(name string, scope auth.Scope, expires *time.Time) string {
		token, err := auth.Create(t.Context(), tokens, auth.Token{Name: name, Scope: scope, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		return "Authorization: Bearer " + token
	}
	jwt := func(audience string, lifetime time.Duration) string {
		return "Authorization: Bearer " + issuer.Token(issuertest.Claims{Audience: audience, Lifetime: lifetime, Scope: "operate"})
	}
	admin := create("admin", "admin", nil)
	revoked := create("revoked", "admin", nil)
	if err := auth.Revoke(t.Context(), tokens, "revoked"); err != nil {
		t.Fatal(err)
	}
	return []way{
		{"none", nil},
		{"read", []string{create("read", "read", nil)}},
		{"operate", []string{create("operate", "operate", nil)}},
		{"admin", []string{admin}},
		{"cookie", []string{"Cookie: " + auth.Cookie + "=" + strings.TrimPrefix(admin, "Authorization: Bearer ")}},
		{"jwt", []string{jwt("delfos", time.Hour)}},
		{"jwt-audience", []string{jwt("grafana", time.Hour)}},
		{"jwt-expired", []string{jwt("delfos", -time.Hour)}},
		{"expired", []string{create("expired", "admin", new(time.Now().Add(-time.Hour)))}},
		{"revoked", []string{revoked}},
		{"origin", []string{admin, "Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site"}},
		{"host", []string{admin, "Host: elsewhere.example"}},
	}
}

// operation is one as it is asked.
type operation struct{ method, path, query, body string }

// operations are those of a contract, with the examples of what they need.
func operations(t *testing.T, document string) (all []operation) {
	t.Helper()
	type parameter struct {
		Ref      string `json:"$ref"`
		Name, In string
		Required bool
		Example  any
	}
	var contract struct {
		Paths map[string]map[string]struct {
			Parameters  []parameter
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
		Components struct{ Parameters map[string]parameter }
	}
	if err := json.Unmarshal([]byte(document), &contract); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(contract.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(contract.Paths[path])) {
			described := contract.Paths[path][method]
			o := operation{method: strings.ToUpper(method), path: path, query: path, body: string(described.RequestBody.Content["application/json"].Example)}
			query := url.Values{}
			for _, p := range described.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					p = contract.Components.Parameters[name]
				}
				switch {
				case p.In == "path":
					o.query = strings.ReplaceAll(o.query, "{"+p.Name+"}", fmt.Sprint(p.Example))
				case p.In == "query" && (p.Required || p.Name == "end"): // one of end and before
					query.Set(p.Name, fmt.Sprint(p.Example))
				}
			}
			if query.Has("start") || !query.Has("end") {
				o.query += "?" + query.Encode()
			}
			all = append(all, o)
		}
	}
	return all
}

// status is that of an answer, whose body is not read: one of them has no end.
func status(t *testing.T, server string, o operation, as way) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, o.method, server+strings.TrimSuffix(o.query, "?"), strings.NewReader(o.body))
	if err != nil {
		t.Fatal(err)
	}
	if o.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range as.headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	challenge := response.Header.Get("WWW-Authenticate")
	switch {
	case response.StatusCode == http.StatusUnauthorized && !strings.HasPrefix(challenge, `Bearer realm="delfos"`):
		t.Errorf("%s %s as %s: 401 with WWW-Authenticate %q", o.method, o.path, as.name, challenge)
	case response.StatusCode >= http.StatusBadRequest && response.Header.Get("Content-Type") != "application/problem+json":
		t.Errorf("%s %s as %s: %s without a problem", o.method, o.path, as.name, response.Status)
	}
	return response.StatusCode
}

func contract(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// serve answers on a port of its own until the test ends.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	return servetest.Serve(t, handler, httpserve.Options{DrainTimeout: time.Millisecond})
}

func serveSource(t *testing.T, gate *auth.Gate) string {
	t.Helper()
	pool, err := source.OpenPool(t.Context(), pgtest.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return serve(t, source.New(source.Config{Pool: pool, Gate: gate, Log: new(apitest.Log).Logger(), OpenAPI: contract(t)}))
}

// serveTarget serves the target API beside an orchestrator that does not work.
func serveTarget(t *testing.T, gate *auth.Gate) string {
	t.Helper()
	database, log := pgtest.Target(t), new(apitest.Log).Logger()
	pool, err := target.OpenPool(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o, _ := servetest.Idle(t, database, "http://127.0.0.1:1", log)
	background, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	pages, err := target.RiverUI(background, o.River(), log)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, target.New(target.Config{
		Control: o.Control(), Pool: pool, River: pages, Gate: gate, Log: log, OpenAPI: contract(t), Stop: background.Done(),
	}))
}
