// Package apitest asks a server of ours over HTTP and checks what it answers and
// logs.
package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/delfos/delfos/server/problem"
)

// Client asks the server at URL.
type Client struct {
	TB  testing.TB
	URL string
}

// Answer is a response, read whole.
type Answer struct {
	Status  int
	Header  http.Header
	Trailer http.Header
	Body    string
}

// Get requests a path with optional headers ("Name: value").
func (c Client) Get(path string, headers ...string) Answer {
	c.TB.Helper()
	return c.Do(http.MethodGet, path, "", headers...)
}

// OK is Get of what has to be answered by 200.
func (c Client) OK(path string, headers ...string) Answer {
	c.TB.Helper()
	a := c.Get(path, headers...)
	if a.Status != http.StatusOK {
		c.TB.Errorf("GET %s: got %d %.300s, want 200", path, a.Status, a.Body)
	}
	return a
}

// Post sends JSON.
func (c Client) Post(path, body string, headers ...string) Answer {
	c.TB.Helper()
	return c.Do(http.MethodPost, path, body, append([]string{"Content-Type: application/json"}, headers...)...)
}

// Do sends a request. The path may be an address of the server that an answer
// has named.
func (c Client) Do(method, path, body string, headers ...string) Answer {
	c.TB.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, c.URL+strings.TrimPrefix(path, c.URL), strings.NewReader(body))
	if err != nil {
		c.TB.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	return Read(c.TB)(HTTPClient(c.TB).Do(req)) //nolint:bodyclose // Read closes it.
}

// Read returns a function that reads a response as an HTTP client returns it.
func Read(tb testing.TB) func(*http.Response, error) Answer {
	tb.Helper()
	return func(resp *http.Response, err error) Answer {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			tb.Fatalf("read the body of an answer with %s: %v", resp.Status, err)
		}
		return Answer{resp.StatusCode, resp.Header, resp.Trailer, string(body)}
	}
}

// HTTPClient returns a client whose connections are its own and close when the
// test ends.
func HTTPClient(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Open begins a GET and reads no more than the answer's head: as the client's
// buffer is small, the sender of a long answer soon blocks.
func (c Client) Open(ctx context.Context, path string) *http.Response {
	c.TB.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		c.TB.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: DialSmall}
	c.TB.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		c.TB.Fatal(err)
	}
	c.TB.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		c.TB.Fatalf("GET %s: %s", path, resp.Status)
	}
	return resp
}

// DialSmall connects with a small buffer to receive into.
func DialSmall(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("dial %s: got a connection of type %T, want one of TCP", addr, conn)
	}
	return conn, tcp.SetReadBuffer(32 << 10)
}

// Decode reads the JSON of an answer of the status.
func Decode[T any](tb testing.TB, a Answer, status int) (value T) {
	tb.Helper()
	if a.Status != status {
		tb.Fatalf("got %d %s, want %d", a.Status, a.Body, status)
	}
	if err := json.Unmarshal([]byte(a.Body), &value); err != nil {
		tb.Fatalf("%s: %v", a.Body, err)
	}
	return value
}

// Status is the status that a server answers err with.
func Status(err error) int {
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil), err)
	return w.Code
}

// WantProblem checks that the answer is a problem of the status, with the words
// in its detail.
func WantProblem(tb testing.TB, a Answer, status int, words ...string) problem.Problem {
	tb.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.Header.Get("Content-Type") != problem.ContentType {
		tb.Fatalf("got %d %s %q, want a problem (%v)", a.Status, a.Header.Get("Content-Type"), a.Body, err)
	}
	if a.Status != status || p.Status != status || p.Title == "" || p.Type != "about:blank" {
		tb.Errorf("got status %d and %+v, want %d", a.Status, p, status)
	}
	if p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-ID") {
		tb.Errorf("request_id is %q, X-Request-Id %q", p.RequestID, a.Header.Get("X-Request-ID"))
	}
	for _, word := range words {
		if !strings.Contains(p.Detail, word) {
			tb.Errorf("detail %q lacks %q", p.Detail, word)
		}
	}
	return p
}

// WantUnavailable checks that the answer is 503 with the words in its detail, and
// says when to ask again.
func WantUnavailable(tb testing.TB, a Answer, words ...string) {
	tb.Helper()
	if a.Header.Get("Retry-After") == "" {
		tb.Error("there is no Retry-After")
	}
	WantProblem(tb, a, http.StatusServiceUnavailable, words...)
}

// WantAway checks that the answer is of a server whose database is away, and
// tells nothing of where that is.
func WantAway(tb testing.TB, a Answer) {
	tb.Helper()
	WantUnavailable(tb, a, "database")
	for _, secret := range []string{"127.0.0.1", "refused", "delfos:"} {
		if strings.Contains(a.Body, secret) {
			tb.Errorf("%s tells of %s", a.Body, secret)
		}
	}
}
