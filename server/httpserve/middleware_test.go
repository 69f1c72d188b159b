package httpserve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/server/httpserve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve puts the middleware around a handler and returns what it logged, once
// the server is closed.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, func() map[string]any) {
	t.Helper()
	var mu sync.Mutex
	var out bytes.Buffer
	chain := httpserve.Chain{
		Log: slog.New(slog.NewJSONHandler(&locked{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Fail: func(w http.ResponseWriter, r *http.Request, err error) {
			httpserve.Note(r.Context(), err)
			http.Error(w, "it failed", http.StatusInternalServerError)
		},
	}
	srv := httptest.NewUnstartedServer(chain.Middleware(handler))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, func() map[string]any {
		srv.Close() // waits for the handlers
		mu.Lock()
		defer mu.Unlock()
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("the log is %q: %v", out.String(), err)
		}
		return line
	}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func get(t *testing.T, url string, header http.Header) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	for given, kept := range map[string]bool{
		"abc-123": true, strings.Repeat("x", 128): true, "~!": true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "ä": false, "a\tb": false,
	} {
		srv, line := serve(t, func(http.ResponseWriter, *http.Request) {})
		resp, _, err := get(t, srv.URL, http.Header{"X-Request-Id": {given}})
		if err != nil {
			t.Fatal(err)
		}
		got := resp.Header.Get("X-Request-ID")
		if (got == given) != kept || len(got) < 2 {
			t.Errorf("%q was answered with %q, want it kept: %t", given, got, kept)
		}
		if logged := line()["request_id"]; logged != got {
			t.Errorf("the log has %v, the answer %q", logged, got)
		}
	}
}

func TestPanicBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	srv, line := serve(t, func(http.ResponseWriter, *http.Request) { panic("a mishap") })
	resp, body, err := get(t, srv.URL, nil)
	if err != nil || resp.StatusCode != http.StatusInternalServerError || body != "it failed\n" {
		t.Errorf("got %v %q, %v", resp, body, err)
	}
	l := line()
	cause, _ := l["error"].(string)
	if !strings.Contains(cause, "a mishap") || !strings.Contains(cause, "middleware_test.go") || l["level"] != "ERROR" || l["aborted"] != nil {
		t.Errorf("the log says %v", l)
	}
}

func TestPanicAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	srv, line := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic("a mishap")
	})
	_, body, err := get(t, srv.URL, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) || body != "half" {
		t.Errorf("got %q, %v; want a broken answer", body, err)
	}
	l := line()
	if l["aborted"] != true || l["status"] != 200.0 || l["level"] != "ERROR" || l["bytes"] != 4.0 {
		t.Errorf("the log says %v", l)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	srv, line := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if httpserve.Begun(r) {
			t.Error("an answer has begun before anything was written")
		}
		_, _ = io.WriteString(w, "half")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if !httpserve.Begun(r) {
			t.Error("an answer has not begun after something was written")
		}
		httpserve.NoteRows(r.Context(), 7)
		httpserve.Note(r.Context(), errors.New("the first cause"))
		httpserve.Abort(r, errors.New("a later one"))
	})
	if _, _, err := get(t, srv.URL+"?q=1", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	l := line()
	if l["aborted"] != true || l["error"] != "the first cause" || l["rows"] != 7.0 || l["query"] != "q=1" {
		t.Errorf("the log says %v", l)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path   string
		status int
		level  string
	}{
		{"/x", 200, "INFO"},
		{"/health", 200, "DEBUG"},
		{"/ready", 200, "DEBUG"},
		{"/ready", 503, "ERROR"},
		{"/x", 404, "WARN"},
		{"/x", 500, "ERROR"},
	}
	for _, tt := range tests {
		srv, line := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) })
		if _, _, err := get(t, srv.URL+tt.path, nil); err != nil {
			t.Fatal(err)
		}
		if l := line(); l["level"] != tt.level || l["status"] != float64(tt.status) || l["path"] != tt.path {
			t.Errorf("%s %d is logged as %v", tt.path, tt.status, l)
		}
	}
}
