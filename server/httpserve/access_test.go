package httpserve_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/httpserve"
)

// door starts a server behind access that answers with the path that it was
// handed and with its own address.
func door(t *testing.T, access httpserve.Access) *httptest.Server {
	t.Helper()
	refuse := func(w http.ResponseWriter, _ *http.Request, err error) {
		if forbidden, ok := errors.AsType[*httpserve.ForbiddenError](err); ok {
			http.Error(w, forbidden.Detail, http.StatusForbidden)
		}
	}
	srv := httptest.NewServer(access.Middleware(refuse)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.EscapedPath(), " ", httpserve.URL(r, "/next", "a=1"))
	})))
	t.Cleanup(srv.Close)
	return srv
}

// send sends a request with headers ("Name: value") and returns status and body.
func send(t *testing.T, srv *httptest.Server, method, path string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Add(name, value)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHosts(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	configured := httpserve.Access{Addr: "0.0.0.0:8000", Hosts: []string{"Delfos.example.org", "192.0.2.7"}}
	loopback := httpserve.Access{Addr: "127.0.0.1:8000"}
	everywhere := httpserve.Access{Addr: ":8000"}
	named := httpserve.Access{Addr: "delfos.lan:8000"}
	for _, tt := range []struct {
		access httpserve.Access
		host   string
		taken  bool
	}{
		{loopback, "localhost", true},
		{loopback, "LocalHost.:9", true},
		{loopback, "127.0.0.1:8000", true},
		{loopback, "127.0.0.2", true},
		{loopback, "[::1]:8000", true},
		{loopback, "evil.example", false},
		{loopback, "localhost.evil.example", false},
		{loopback, "127.0.0.1.evil.example:8000", false},
		{loopback, "192.0.2.7", false},
		{loopback, machine, machine == "localhost"},
		{everywhere, "192.0.2.7:80", true},
		{everywhere, "[2001:db8::1]", true},
		{everywhere, machine + ":1", true},
		{everywhere, "evil.example", false},
		{everywhere, "2130706433", false},
		{named, "delfos.lan", true},
		{named, "localhost", true},
		{named, "192.0.2.7", false},
		{configured, "delfos.example.org:443", true},
		{configured, "localhost:1", true},
		{configured, "192.0.2.7", true},
		{configured, "192.0.2.8", false},
		{configured, "sub.delfos.example.org", false},
		{httpserve.Access{}, "192.0.2.7", true},
		{httpserve.Access{}, "evil.example", false},
	} {
		srv := door(t, tt.access)
		for _, path := range []string{"/", "/river/api/jobs", "/docs", "/nothing"} {
			status, body := send(t, srv, http.MethodGet, path, "Host: "+tt.host)
			if (status == http.StatusOK) != tt.taken {
				t.Errorf("%+v: %s for %s: %d %s", tt.access, path, tt.host, status, body)
			}
			if status != http.StatusOK && (!strings.Contains(body, tt.host) || !strings.Contains(body, "ALLOWED_HOSTS")) {
				t.Errorf("%s: what to do is not told: %s", tt.host, body)
			}
		}
		for _, path := range []string{"/health", "/ready"} {
			if status, body := send(t, srv, http.MethodGet, path, "Host: "+tt.host); status != http.StatusOK {
				t.Errorf("a probe of %s for %s: %d %s", path, tt.host, status, body)
			}
		}
	}
}

// HTTP/1.0 may name no host: the address is then that of the connection.
func TestNoHost(t *testing.T) {
	t.Parallel()
	srv := door(t, httpserve.Access{Addr: "127.0.0.1:8000"})
	addr := srv.Listener.Addr().String()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), "/x http://"+addr+"/next?a=1") {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestWritesFromOtherSites(t *testing.T) {
	t.Parallel()
	srv := door(t, httpserve.Access{})
	own := "Origin: " + srv.URL
	for _, tt := range []struct {
		method  string
		headers []string
		taken   bool
	}{
		{"POST", nil, true}, // a program's
		{"POST", []string{own}, true},
		{"POST", []string{own, "Sec-Fetch-Site: same-origin"}, true},
		{"POST", []string{"Sec-Fetch-Site: none"}, true},
		{"POST", []string{"Origin: https://evil.example"}, false},
		{"POST", []string{"Origin: null"}, false},
		{"POST", []string{"Origin: http://localhost:1"}, false},
		{"POST", []string{own, "Sec-Fetch-Site: cross-site"}, false},
		{"POST", []string{own, "Sec-Fetch-Site: same-site"}, false},
		{"PATCH", []string{"Origin: https://evil.example"}, false},
		{"DELETE", []string{"Origin: https://evil.example", "Content-Type: text/plain"}, false},
		{"PUT", []string{"Sec-Fetch-Site: cross-site"}, false},
		{"GET", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, true}, // a link
		{"HEAD", []string{"Sec-Fetch-Site: cross-site"}, true},
	} {
		for _, path := range []string{"/runs/5/cancel", "/river/api/jobs/delete"} {
			status, body := send(t, srv, tt.method, path, tt.headers...)
			if (status == http.StatusOK) != tt.taken || !tt.taken && status != http.StatusForbidden {
				t.Errorf("%s %s with %v: %d %s", tt.method, path, tt.headers, status, body)
			}
		}
	}
}

// Pages of a listed origin may read, by a token and without cookies; those of others, and writes, are as
// without the list.
func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	const listed, foreign = "https://notebook.example", "https://evil.example"
	for _, tt := range []struct {
		name, method, origin string
		origins, headers     []string
		status               int
		allowed              bool
	}{
		{"no list", "GET", listed, nil, nil, 200, false},
		{"no list, asked before", "OPTIONS", listed, nil, []string{"Access-Control-Request-Method: GET"}, 200, false},
		{"listed", "GET", listed, []string{listed}, nil, 200, true},
		{"foreign", "GET", foreign, []string{listed}, nil, 200, false},
		{"begins alike", "GET", listed + ".evil.example", []string{listed}, nil, 200, false},
		{"no page", "GET", "null", []string{listed}, nil, 200, false},
		{"token", "OPTIONS", listed, []string{listed}, []string{"Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"}, 204, true},
		{"foreign token", "OPTIONS", foreign, []string{listed}, []string{"Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"}, 204, false},
		{"write, asked before", "OPTIONS", listed, []string{listed}, []string{"Access-Control-Request-Method: POST"}, 204, false},
		{"write", "POST", listed, []string{listed}, nil, 403, false},
		{"foreign write", "POST", foreign, []string{listed}, nil, 403, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := apitest.Client{TB: t, URL: door(t, httpserve.Access{Origins: tt.origins}).URL}.
				Do(tt.method, "/data", "", append(tt.headers, "Origin: "+tt.origin)...)
			want := ""
			if tt.allowed {
				want = tt.origin
			}
			if got := a.Header.Get("Access-Control-Allow-Origin"); a.Status != tt.status || got != want {
				t.Errorf("got %d for %q, want %d for %q", a.Status, got, tt.status, want)
			}
			if a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies may be sent along")
			}
			if exposed := a.Header.Get("Access-Control-Expose-Headers"); tt.allowed && tt.method == "GET" && !strings.Contains(strings.ToLower(exposed), "retry-after") {
				t.Errorf("a page can read the headers %q", exposed)
			}
		})
	}
}

// What a proxy says counts when it is trusted, and only what it wrote itself.
func TestForwarded(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	others := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	const name = "delfos.example.org"
	hosts := []string{name}
	all := []string{"X-Forwarded-Host: " + name, "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /delfos"}
	for _, tt := range []struct {
		access  httpserve.Access
		path    string
		headers []string
		want    string // HERE stands for the server's own address
	}{
		{httpserve.Access{Hosts: hosts}, "/x", nil, "/x http://HERE/next?a=1"},
		{httpserve.Access{Hosts: hosts}, "/x", all, "/x http://HERE/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: others}, "/delfos/x", all, "/delfos/x http://HERE/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/x", all, "/x https://" + name + "/delfos/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/delfos/x", all, "/x https://" + name + "/delfos/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/delfos", all, "/ https://" + name + "/delfos/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/delfosx", all, "/delfosx https://" + name + "/delfos/next?a=1"},
		{httpserve.Access{Proxies: trusted}, "/x", []string{"X-Forwarded-Host: evil.example"}, "403"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/x", []string{"Host: evil.example", "X-Forwarded-Host: " + name}, "403"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/x", []string{"X-Forwarded-Host: " + name + ", localhost"}, "/x http://localhost/next?a=1"},
		{httpserve.Access{Hosts: hosts, Proxies: trusted}, "/x", []string{"X-Forwarded-Proto: javascript", "X-Forwarded-Prefix: /\"><script>"}, "/x http://HERE/next?a=1"},
		{httpserve.Access{BasePath: "/a/b", Proxies: trusted}, "/x", []string{"X-Forwarded-Prefix: /"}, "/x http://HERE/next?a=1"},
		{httpserve.Access{BasePath: "/a/b"}, "/a/b/x%2Fy", nil, "/x%2Fy http://HERE/a/b/next?a=1"},
		{httpserve.Access{BasePath: "/a/b"}, "/x%2Fy", nil, "/x%2Fy http://HERE/a/b/next?a=1"},
		{httpserve.Access{BasePath: "/a/b"}, "/a/b/health", []string{"Host: 10.0.0.1"}, "/health http://10.0.0.1/a/b/next?a=1"},
		// What can't stand in a URL, and what only lacks its brackets.
		{httpserve.Access{}, "/x", []string{"Host: ::1"}, "/x http://[::1]/next?a=1"},
		{httpserve.Access{}, "/x", []string{"Host: localhost:name"}, "403"},
		{httpserve.Access{}, "/x", []string{"Host: [::1"}, "403"},
		{httpserve.Access{Proxies: trusted}, "/x", []string{"X-Forwarded-Host: ::1"}, "/x http://[::1]/next?a=1"},
		{httpserve.Access{Proxies: trusted}, "/x", []string{"X-Forwarded-Host: localhost:name"}, "/x http://HERE/next?a=1"},
	} {
		srv := door(t, tt.access)
		status, body := send(t, srv, http.MethodGet, tt.path, tt.headers...)
		want := strings.ReplaceAll(tt.want, "HERE", srv.Listener.Addr().String())
		if want == "403" && status == http.StatusForbidden {
			continue
		}
		if body != want {
			t.Errorf("%+v: %s with %v: %d %q, want %q", tt.access, tt.path, tt.headers, status, body, want)
		}
	}
	// A proxy that hands on its own host, and the page's origin with it.
	srv := door(t, httpserve.Access{Hosts: hosts, Proxies: trusted})
	if status, body := send(t, srv, http.MethodPost, "/x", append(all, "Origin: https://"+name)...); status != http.StatusOK {
		t.Errorf("a write through the proxy: %d %s", status, body)
	}
}

func TestParseBasePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/delfos": "/delfos", "/delfos/": "/delfos", "/a/b-1_.~": "/a/b-1_.~", "/": "",
		"": "-", "delfos": "-", "//evil.example": "-", "/a//b": "-", "/a/../b": "-", "/.": "-", "/a b": "-", "/a?b": "-", "/é": "-", "/a%20b": "-", `/"`: "-",
	} {
		got, ok := httpserve.ParseBasePath(path)
		if ok != (want != "-") || ok && got != want {
			t.Errorf("%q: %q, %t", path, got, ok)
		}
	}
}

func FuzzParseBasePath(f *testing.F) {
	for _, path := range []string{"/delfos/", "/", "/a/../b", "//a", "a", "/%2e", "/a/b"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefix, ok := httpserve.ParseBasePath(text)
		if !ok || prefix == "" {
			return
		}
		u, err := url.Parse(prefix)
		if err != nil || u.EscapedPath() != prefix || u.Host != "" || path.Clean(prefix) != prefix {
			t.Errorf("%q is taken for %q", text, prefix)
		}
	})
}

func FuzzForwarded(f *testing.F) {
	f.Add("delfos.example", "delfos.example", "https", "/a/b")
	f.Add("[::1]:80", "::1", "http, https", "/")
	f.Add("localhost:name", "evil.example@delfos.example", "ftp", "//evil.example")
	access := httpserve.Access{Hosts: []string{"delfos.example", "example.com"}, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	f.Fuzz(func(t *testing.T, arrived, host, proto, prefix string) {
		r := httptest.NewRequest(http.MethodGet, "/turbines", nil)
		r.Host = arrived
		for name, value := range map[string]string{"Host": host, "Proto": proto, "Prefix": prefix} {
			r.Header.Set("X-Forwarded-"+name, value)
		}
		refuse := func(http.ResponseWriter, *http.Request, error) {}
		access.Middleware(refuse)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			shown := httpserve.URL(r, "/next", "a=1")
			u, err := url.Parse(shown)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.HasSuffix(u.Path, "/next") || u.RawQuery != "a=1" || u.User != nil {
				t.Fatalf("the address is %q: %v", shown, err)
			}
			switch name := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")); name {
			case "delfos.example", "example.com", "localhost":
			case "":
				if arrived != "" {
					t.Errorf("the address has no host: %q", shown)
				}
			default:
				if ip, err := netip.ParseAddr(name); err != nil || !ip.Unmap().IsLoopback() {
					t.Errorf("the address is of another host: %q", shown)
				}
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}
