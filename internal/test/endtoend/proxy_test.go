package endtoend_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// behind puts a proxy between the API and jobs to come; the proxy counts the
// requests for samples.
func (s *system) behind(t *testing.T, proxy func(api *url.URL) http.Handler) (samples *atomic.Int64) {
	t.Helper()
	api, err := url.Parse(s.directURL)
	if err != nil {
		t.Fatal(err)
	}
	samples = &atomic.Int64{}
	handler := proxy(api)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/data" {
			samples.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.apiURL = front.URL
	s.job = s.newJob(t, s.targetURL)
	return samples
}

// passing hands answers on as modify leaves them.
func passing(modify func(*http.Response) error) func(*url.URL) http.Handler {
	return func(api *url.URL) http.Handler {
		proxy := httputil.NewSingleHostReverseProxy(api)
		proxy.Transport = &http.Transport{DisableKeepAlives: true, DisableCompression: true}
		proxy.ModifyResponse = modify
		return proxy
	}
}

// buffer reads an answer whole, as most proxies do, and drops its trailers.
func buffer(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	r.Body, r.Trailer = io.NopCloser(bytes.NewReader(body)), nil
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Header.Set("Server", "nginx/1.22.1")
	return err
}

// http10 asks the API over HTTP/1.0, as nginx does unless it is told otherwise.
// An answer that is longer than most loses its digest.
func http10(most int) func(*url.URL) http.Handler {
	return func(api *url.URL) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := net.Dial("tcp", api.Host)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer func() { _ = conn.Close() }()
			fmt.Fprintf(conn, "%s %s HTTP/1.0\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), api.Host)
			_ = r.Header.Write(conn)
			_, _ = io.WriteString(conn, "\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(conn), r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			for name, values := range answer.Header {
				if name != "Content-Digest" || len(body) <= most {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = w.Write(body)
		})
	}
}

// What stands between and answers in the API's stead, or takes away what shows
// that an answer is whole, is told in one sentence after a few requests. Nothing
// of it is believed.
//
//nolint:tparallel // They share a day of the target, which one at a time claims.
func TestProxiesThatSpoilAnswers(t *testing.T) {
	t.Parallel()
	zip := func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, _ = w.Write(body)
		_ = w.Close()
		r.Body, r.ContentLength = io.NopCloser(&zipped), int64(zipped.Len())
		r.Header.Set("Content-Length", strconv.Itoa(zipped.Len()))
		r.Header.Set("Content-Encoding", "gzip")
		return err
	}
	html := func(status int) func(*url.URL) http.Handler {
		return func(*url.URL) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.Header().Set("Server", "squid/5.7")
				w.Header().Set("Via", "1.1 gate (squid)")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "<html>sign in</html>")
			})
		}
	}
	tests := map[string]struct {
		proxy    func(*url.URL) http.Handler
		requests int64 // for samples, at most
		lasting  bool  // another try would meet the same
		words    []string
	}{
		"trailers are dropped":     {passing(buffer), 4, true, []string{"GET http://127.0.0.1:", "/data", "without the trailers Content-Digest and Delfos-Rows", "something between", "Server: nginx/1.22.1", "SOURCE_API_URL"}},
		"answers are zipped":       {passing(zip), 1, true, []string{"Content-Encoding gzip", "not asked for"}},
		"a page to log in":         {html(200), 0, true, []string{"/turbines answered 200 OK with text/html", "Server: squid/5.7; Via: 1.1 gate (squid)", "SOURCE_API_URL"}},
		"an error of the proxy's":  {html(502), 0, false, []string{"502 Bad Gateway", "/turbines was answered with text/html", "Server: squid/5.7; Via: 1.1 gate (squid)"}},
		"a refusal of the proxy's": {html(403), 0, true, []string{"403 Forbidden", "text/html", "squid"}},
		"a redirect to a page": {func(api *url.URL) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/login", html(200)(api))
			mux.Handle("/", http.RedirectHandler("/login?next=x", http.StatusFound))
			return mux
		}, 0, true, []string{"/login answered 200 OK with text/html", "SOURCE_API_URL"}},
		"redirects without end": {func(*url.URL) http.Handler { return http.RedirectHandler("/again", http.StatusFound) }, 0, true, []string{"answered 302 Found, a redirect to http://127.0.0.1:", "/again, which is not followed"}},
		"another API": {func(*url.URL) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `[{"uuid": "x"}]`)
			})
		}, 0, true, []string{"JSON that is not the source API's: altitude is missing of item 0"}},
	}
	loaded := setup(t)
	loaded.seed(t, 1, twoGroups)
	loaded.run(t, 1)
	before := loaded.values(t)
	pgtest.Exec(t, loaded.source, everyWindow)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := *loaded
			samples := s.behind(t, tt.proxy)
			_, err := s.job.Run(t.Context(), request(1))
			if err == nil || etl.Temporary(err) == tt.lasting {
				t.Fatalf("run: got %v, want an error, lasting %t", err, tt.lasting)
			}
			for _, word := range tt.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("run: %q lacks %q", err, word)
				}
			}
			if strings.Count(err.Error(), "SOURCE_API_URL") > 1 {
				t.Errorf("it is told more than once: %v", err)
			}
			if n := samples.Load(); n > tt.requests {
				t.Errorf("%d requests for samples, want at most %d", n, tt.requests)
			}
			near(t, s.values(t), before)
			day := date("2025-01-01")
			_, err = verify.Run(t.Context(), verify.Config{Target: s.target, SourceURL: s.apiURL, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, verify.Request{From: &day, To: &day, Turbines: selector.All()})
			var foreign *apiclient.Error
			if err == nil || tt.requests > 0 && !errors.As(err, &foreign) {
				t.Errorf("verify: got %v", err)
			}
		})
	}
}

// Over HTTP/1.0 there are no trailers, and the digest is read where the server
// puts it. Answers that are too long for that are asked for in parts.
func TestProxiesThatSpeakHTTP10(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"every answer is told of": 4 << 20, "short answers alone": 80_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 1, twoGroups)
			s.behind(t, http10(most))
			s.run(t, 1)
			near(t, s.values(t), s.expected(t))
			pgtest.Exec(t, s.source, everyWindow)
			s.run(t, 1)
			near(t, s.values(t), s.expected(t))
		})
	}
}
