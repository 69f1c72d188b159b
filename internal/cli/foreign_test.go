package cli_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs the program and returns its exit code and what it printed.
func run(t *testing.T, bin string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	cmd.Dir = t.TempDir() // without a .env
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, out.String(), errs.String()
}

// TestForeignAnswers asks servers that are no target API: whatever they say is an
// error that names the address and what came.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	bin := install(t)
	says := func(status int, headers http.Header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), headers)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	asJSON := http.Header{"Content-Type": {"application/json"}}
	page := http.Header{"Content-Type": {"text/html"}, "Server": {"nginx/1.22.1"}, "Via": {"1.1 gate"}}
	moved := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				says(200, asJSON, "{}")(w, r)
				return
			}
			http.Redirect(w, r, "/elsewhere", status)
		}
	}
	start := []string{"runs", "start", "--from", "2025-01-01", "--wait"}
	list := []string{"runs", "list"}
	for name, tt := range map[string]struct {
		server http.HandlerFunc
		args   []string
		words  []string
	}{
		"a write that is moved":       {moved(301), start, []string{"POST URL/runs answered 301 Moved Permanently, a redirect to URL/elsewhere, which is not followed", "TARGET_API_URL"}},
		"a write that is found":       {moved(302), start, []string{"302 Found", "URL/elsewhere"}},
		"a write to see another":      {moved(303), start, []string{"303 See Other", "URL/elsewhere"}},
		"a write that stays one":      {moved(307), start, []string{"POST URL/elsewhere answered with JSON that is not the target API's: ", " is missing"}},
		"a question that is moved":    {moved(301), list, []string{"GET URL/elsewhere answered with JSON that is not the target API's: runs is missing"}},
		"a page":                      {says(200, page, "<html>"), list, []string{"GET URL/runs answered 200 OK with text/html, not with application/json", "(Server: nginx/1.22.1; Via: 1.1 gate)", "TARGET_API_URL has to be"}},
		"a page to a write":           {says(200, page, "<html>"), start, []string{"POST URL/runs answered 200 OK with text/html"}},
		"nothing":                     {says(204, nil, ""), start, []string{"POST URL/runs answered 204 No Content, which is not an answer of the target API"}},
		"nothing that is JSON":        {says(200, asJSON, ""), start, []string{"with JSON that is not the target API's"}},
		"null":                        {says(200, asJSON, "null"), start, []string{"with JSON that is not the target API's"}},
		"JSON of another program":     {says(200, asJSON, `{"ok": true}`), start, []string{"is missing"}},
		"a list of another program":   {says(200, asJSON, `{"runs": [{"id": 7}]}`), list, []string{"is missing of item 0 in runs"}},
		"a plan without a run":        {says(202, asJSON, `{"from":"2025-01-01","to":"2025-01-01","only":"all","dry_run":false,"partitions":1,"up_to_date":0}`), start, []string{"names no run"}},
		"a partition list of nothing": {says(200, asJSON, `{}`), []string{"partitions"}, []string{"partitions is missing"}},
		"an error of a proxy's":       {says(403, page, "<html>"), list, []string{"403 Forbidden: GET URL/runs was answered with text/html, not with a problem of the API's (Server: nginx/1.22.1; Via: 1.1 gate)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.server)
			t.Cleanup(srv.Close)
			code, stdout, stderr := run(t, bin, []string{"TARGET_API_URL=" + srv.URL}, tt.args...)
			if code != 1 || stdout != "" {
				t.Errorf("exit %d, printed %q, %s", code, stdout, stderr)
			}
			for _, word := range tt.words {
				if word = strings.ReplaceAll(word, "URL/", srv.URL+"/"); !strings.Contains(stderr, word) {
					t.Errorf("%q lacks %q", stderr, word)
				}
			}
		})
	}
}

// A proxy of the environment answers for hosts that it can't reach: it is named,
// and so is what takes a host from it. A password is not.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	bin := install(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "squid/5.7")
		http.Error(w, "no such host", http.StatusServiceUnavailable)
	}))
	t.Cleanup(proxy.Close)
	for _, tt := range []struct {
		proxy string
		args  []string
		words []string
	}{
		{proxy.URL, []string{"runs", "list"}, []string{"503 Service Unavailable", "GET http://orchestrator:3000/runs", "Server: squid/5.7", "by the proxy http://me:xxxxx@127.0.0.1:", "HTTP_PROXY", "NO_PROXY"}},
		{"http://" + freeAddr(t), []string{"runs", "list"}, []string{"http://orchestrator:3000", "connection refused", "by the proxy http://me:xxxxx@127.0.0.1:", "NO_PROXY"}},
	} {
		environ := []string{"TARGET_API_URL=http://orchestrator:3000", "HTTP_PROXY=" + strings.Replace(tt.proxy, "http://", "http://me:secret@", 1)}
		code, _, stderr := run(t, bin, environ, tt.args...)
		if code != 1 || strings.Contains(stderr, "secret") {
			t.Errorf("exit %d, %s", code, stderr)
		}
		for _, word := range tt.words {
			if !strings.Contains(stderr, word) {
				t.Errorf("%q lacks %q", stderr, word)
			}
		}
	}
}
