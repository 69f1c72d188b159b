package target_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/problem"
)

// faulty are the parameters of a problem's errors, in order.
func faulty(p problem.Problem) []string {
	var names []string
	for _, f := range p.Errors {
		names = append(names, f.Parameter)
	}
	return names
}

// Each fault is named, with its value and what is allowed, all at once.
func TestParametersRefused(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL) // refused before the database is asked
	const span = "start=2025-01-01&end=2025-01-02"
	tests := []struct {
		request string
		faulty  []string // the parameters in errors, in order
		words   []string // in detail
	}{
		{"GET /partitions?from=yesterday", []string{"from"}, []string{`from "yesterday" is not a day such as 2025-01-01`}},
		{"GET /partitions?from=2025-02-30&to=2025-1-1", []string{"from", "to"}, nil},
		{"GET /partitions?from=2025-01-01T00:00:00Z", []string{"from"}, nil},
		{"GET /partitions?from=20250101", []string{"from"}, nil},
		{"GET /partitions?from=0000-01-01", []string{"from"}, nil},
		{"GET /partitions?from=&to=2025-01-01", []string{"from"}, []string{"empty"}},
		{"GET /partitions?from=2025-01-01&from=2025-01-01", []string{"from"}, []string{"once"}},
		{"GET /partitions?from=1900-01-01&to=2000-01-01", []string{"to"}, []string{"36525 days", "at most 20000"}},
		{"GET /partitions?limit=0", []string{"limit"}, []string{"1"}},
		{"GET /partitions?state=done", []string{"state"}, []string{"those are from, to"}},
		{"DELETE /partitions/yesterday?force=1", []string{"day", "force"}, []string{`day "yesterday" is not a day such as 2025-01-01`, `force "1" is none of false, true`}},
		{"DELETE /partitions/2025-01-01?forced=true", []string{"forced"}, []string{"those are force"}},
		{"GET /runs?limit=0", []string{"limit"}, []string{"from 1 to 1000"}},
		{"GET /runs?limit=1001&before=0", []string{"limit", "before"}, nil},
		{"GET /runs?before=9223372036854775808", []string{"before"}, nil},
		{"GET /runs?before=-1", []string{"before"}, nil},
		{"GET /runs/abc", []string{"id"}, []string{`id "abc" is not a whole number from 1`}},
		{"GET /runs/0", []string{"id"}, nil},
		{"GET /runs/-1", []string{"id"}, nil},
		{"GET /runs/%2B1", []string{"id"}, nil},
		{"GET /runs/1.5/log", []string{"id"}, nil},
		{"GET /runs/9223372036854775808", []string{"id"}, nil},
		{"GET /runs/x?more=1", []string{"id", "more"}, nil},
		{"GET /runs/1/log?after=-1&limit=10001", []string{"after", "limit"}, nil},
		{"POST /runs/x/cancel", []string{"id"}, nil},
		{"POST /runs/1/retry?force=1", []string{"force"}, []string{"there are none"}},
		{"GET /schedule?x=1", []string{"x"}, nil},
		{"GET /checks?status=bad&from=x", []string{"status", "from"}, []string{`status "bad" is none of pass, warn, block`}},
		{"GET /checks?from=1900-01-01&to=2000-01-01", []string{"to"}, nil},
		{"GET /flags", []string{"start", "end"}, []string{"start is required"}},
		{"GET /flags?" + span + "&before=2025-01-03", []string{"before"}, []string{"stands beside end"}},
		{"GET /windows?" + span + "&before=2025-01-03", []string{"before"}, []string{"stands beside end"}},
		{"GET /flags?" + span + "&turbines=5-1", []string{"turbines"}, nil},
		{"GET /signals?id=1", []string{"id"}, nil},
		{"GET /revisions?limit=99999", []string{"limit"}, []string{"from 1 to 10000"}},
		{"GET /windows", []string{"start", "end"}, nil},
		{"GET /windows?start=1735689600&end=x", []string{"start", "end"}, []string{"is not a timestamp"}},
		{"GET /windows?" + span + "&signals=wind_speed,power_mean", []string{"signals"}, []string{`signals "wind_speed" is none of wind_speed_mean, wind_speed_min`, "ambient_temperature_count"}},
		{"GET /windows?" + span + "&signals=", []string{"signals"}, []string{"empty"}},
		{"GET /windows?" + span + "&turbines=x", []string{"turbines"}, nil},
		{"GET /windows?" + span + "&wide=yes", []string{"wide"}, []string{"none of false, true"}},
		{"GET /windows?" + span + "&naming=iec", []string{"naming"}, []string{"none of delfos, openoa"}},
		{"GET /windows?" + span + "&tz=Mars/Olympus", []string{"tz"}, []string{`tz "Mars/Olympus" is not the name of a time zone such as Europe/Berlin`}},
		{"GET /windows?" + span + "&tz=Local", []string{"tz"}, nil},
		{"GET /windows?start=2025-10-26T02:30&before=2025-10-26T02:45&tz=Europe/Berlin", []string{"start", "before"}, []string{"comes twice"}},
		{"GET /windows?" + span + "&step=2h&tz=CET1", []string{"step", "tz"}, []string{`step "2h" is none of 10m, 1h, 6h, 1d, 1mo`}},
		{"GET /stats/coverage", []string{"from", "to"}, []string{"from is required"}},
		{"GET /stats/coverage?from=2025-01-01&to=2025-01-01T00:00&by=year", []string{"to", "by"}, []string{`by "year" is none of day, month`}},
		{"GET /stats/energy?from=2025-01-01&to=2025-01-02&by=week&tz=UTC", []string{"by", "tz"}, []string{`by "week" is none of day, month, year`}},
		{"GET /stats/energy?from=1900-01-01&to=2025-01-02", []string{"to"}, []string{"at most 20000"}},
		{"GET /windows?" + span + "&step=", []string{"step"}, []string{"empty"}},
		{"GET /windows?" + span + "&label=middle", []string{"label"}, []string{"none of start, end"}},
		{"GET /windows?" + span + "&format=xml", []string{"format"}, []string{"json, ndjson, csv, arrow, parquet"}},
		{"GET /windows?" + span + "&naming=openoa&signals=power_mean", []string{"signals"}, []string{"openoa"}},
		{"GET /windows?" + span + "&naming=openoa&wide=false&signals=power_mean", []string{"signals", "wide"}, nil},
		{"GET /stats/power-curve", []string{"start", "end"}, []string{"start is required"}},
		{"GET /stats/power-curve?" + span + "&bin=0", []string{"bin"}, []string{`bin "0" is not a number from 0.1 to 5 in steps of 0.01`}},
		{"GET /stats/power-curve?" + span + "&bin=NaN&by=farm", []string{"bin", "by"}, []string{"none of turbine, fleet"}},
		{"GET /stats/power-curve?" + span + "&bin=0.125", []string{"bin"}, nil},
		{"GET /stats/power-curve?" + span + "&leave_out=all", []string{"leave_out"}, []string{"none of flagged"}},
		{"GET /stats/power-curve?" + span + "&tz=Mars&limit=3", []string{"tz", "limit"}, nil},
		{"GET /stats/power-density?" + span + "&bin=1", []string{"bin"}, []string{"leave_out"}},
		{"GET /stats/distribution?" + span + "&bin=6", []string{"bin"}, []string{"from 0.1 to 5"}},
		{"GET /stats/profile?" + span + "&variable=wind&tz=Here", []string{"variable", "tz"}, []string{"none of wind_speed, power, ambient_temperature"}},
		{"GET /events?last=1", []string{"last"}, nil},
		{"GET /health?x", []string{"x"}, nil},
		{"GET /ready?x=1", []string{"x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.request, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.request, " ")
			p := apitest.WantProblem(t, b.Do(method, path, ""), http.StatusUnprocessableEntity, tt.words...)
			if diff := cmp.Diff(tt.faulty, faulty(p)); diff != "" {
				t.Errorf("faulty parameters (-want +got):\n%s\n%s", diff, p.Detail)
			}
		})
	}
}

func TestReversed(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, path := range []string{"/partitions", "/checks", "/revisions", "/stats/coverage", "/stats/energy"} {
		p := apitest.WantProblem(t, b.Get(path+"?from=2025-01-02&to=2025-01-01"), http.StatusBadRequest, "from", "to", "2025-01-02")
		if want := "from must not be later than to, and 2025-01-02 is later than 2025-01-01"; p.Detail != want {
			t.Errorf("%s: detail is %q, want %q", path, p.Detail, want)
		}
	}
	apitest.WantProblem(t, b.Post("/runs", `{"from": "2025-01-02", "to": "2025-01-01"}`), http.StatusBadRequest, "from must not be later than to")
	for _, path := range []string{"/windows", "/flags"} {
		for query, want := range map[string]string{
			"start=2025-01-02&end=2025-01-01":    "start must not be later than end",
			"start=2025-01-01&before=2025-01-01": "start must be earlier than before",
		} {
			if p := apitest.WantProblem(t, b.Get(path+"?"+query), http.StatusBadRequest); p.Detail != want {
				t.Errorf("%s?%s: got %q, want %q", path, query, p.Detail, want)
			}
		}
	}
}

func TestBodiesRefused(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	tests := []struct {
		body   string
		faulty []string
		words  []string
	}{
		{"", []string{"body"}, []string{"body is empty", "from, to, allow_dates, allow_empty, dry_run, only, parallel"}},
		{"  \n", []string{"body"}, nil},
		{"{", []string{"body"}, []string{"is no JSON", "byte 1"}},
		{`{"from": "2025-01-01", "to": "2025-01-02"} x`, []string{"body"}, []string{"is no JSON"}},
		{`[]`, []string{"body"}, []string{"no JSON object"}},
		{`null`, []string{"body"}, nil},
		{`"2025-01-01"`, []string{"body"}, nil},
		{`{}`, []string{"from", "to"}, []string{"from is required; to is required"}},
		{`{"from": "2025-01-01"}`, []string{"to"}, nil},
		{`{"from": "yesterday", "to": 5}`, []string{"from", "to"}, []string{`from "yesterday" is not a day such as 2025-01-01`, `to "5" is not a day`}},
		{`{"from": null, "to": "2025-01-02"}`, []string{"from"}, []string{`from "null"`}},
		{`{"from": "2025-01-01", "to": "2025-01-02", "only": "done"}`, []string{"only"}, []string{`only "done" is none of all, missing, failed, stale`}},
		{`{"from": "2025-01-01", "to": "2025-01-02", "only": ["all"]}`, []string{"only"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "dry_run": "true"}`, []string{"dry_run"}, []string{"neither true nor false"}},
		{`{"from": "2025-01-01", "to": "2025-01-02", "dry_run": null}`, []string{"dry_run"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "parallel": 0}`, []string{"parallel"}, []string{`parallel "0" is not a whole number from 1 to 1000`}},
		{`{"from": "2025-01-01", "to": "2025-01-02", "parallel": 1001}`, []string{"parallel"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "parallel": 1.5}`, []string{"parallel"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "parallel": "4"}`, []string{"parallel"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "dryrun": true}`, []string{"dryrun"}, []string{"dryrun is not a property here"}},
		{`{"from": "2025-01-01", "From": "2025-01-01", "to": "2025-01-02"}`, []string{"From"}, nil},
		{`{"from": "2025-01-01", "from": "2025-01-02", "to": "2025-01-02"}`, []string{"from"}, []string{"once"}},
		{`{"from": "1900-01-01", "to": "2000-01-01", "allow_dates": true}`, []string{"to"}, []string{"at most 20000"}},
		{`{"from": "0225-01-01", "to": "2025-01-02"}`, []string{"from"}, []string{`from "0225-01-01" is not a day from 1980-01-01 to 2025-01-11, which is tomorrow; other days are taken with allow_dates true`}},
		{`{"from": "1979-12-31", "to": "2025-01-12"}`, []string{"from", "to"}, nil},
		{`{"from": "2099-01-01", "to": "2099-01-01", "dry_run": true}`, []string{"from", "to"}, nil},
		{`{"from": "0001-01-01", "to": "9999-12-31"}`, []string{"from", "to"}, nil},
		{`{"from": "2025-01-01", "to": "2025-01-02", "allow_dates": 1}`, []string{"allow_dates"}, []string{"neither true nor false"}},
		{`{"from": "2025-01-01", "to": "2025-01-02", "only": "` + strings.Repeat("x", 1<<15) + `"}`, []string{"body"}, []string{"longer than 16384 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.body[:min(len(tt.body), 80)], func(t *testing.T) {
			t.Parallel()
			p := apitest.WantProblem(t, b.Post("/runs", tt.body), http.StatusUnprocessableEntity, tt.words...)
			if diff := cmp.Diff(tt.faulty, faulty(p)); diff != "" {
				t.Errorf("faulty properties (-want +got):\n%s\n%s", diff, p.Detail)
			}
		})
	}
	apitest.WantProblem(t, b.Do("PATCH", "/schedule", `{"paused": 1}`, "Content-Type: application/json"), http.StatusUnprocessableEntity, `paused "1" is neither true nor false`)
	apitest.WantProblem(t, b.Do("PATCH", "/schedule", `{"cron": "* * * * *"}`, "Content-Type: application/json"), http.StatusUnprocessableEntity, "cron is not a property here; those are paused", "paused is required")
}

func TestUnsupportedMediaType(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	const body = `{"from": "2025-01-01", "to": "2025-01-02"}`
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "json", "application/json-patch+json"} {
		apitest.WantProblem(t, b.Do("POST", "/runs", body, "Content-Type: "+contentType), http.StatusUnsupportedMediaType, contentType, "want application/json")
		apitest.WantProblem(t, b.Do("PATCH", "/schedule", `{"paused": true}`, "Content-Type: "+contentType), http.StatusUnsupportedMediaType)
	}
	apitest.WantProblem(t, b.Do("POST", "/runs", body), http.StatusUnsupportedMediaType, "there is no Content-Type")
	// A body that is JSON passes, however its type is spelled: the database is asked.
	for _, contentType := range []string{"application/json; charset=utf-8", "Application/JSON"} {
		apitest.WantProblem(t, b.Do("POST", "/runs", body, "Content-Type: "+contentType), http.StatusServiceUnavailable)
	}
}

func TestHeadersRefused(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	const body = `{"from": "2025-01-01", "to": "2025-01-02"}`
	apitest.WantProblem(t, b.Post("/runs", body, "Idempotency-Key: a", "Idempotency-Key: b"), http.StatusUnprocessableEntity, "Idempotency-Key may stand once")
	apitest.WantProblem(t, b.Post("/runs", body, "Idempotency-Key: "+strings.Repeat("k", 256)), http.StatusUnprocessableEntity, "1 to 255 characters")
	apitest.WantProblem(t, b.Post("/runs", body, "Idempotency-Key: "), http.StatusUnprocessableEntity, "Idempotency-Key")
	for _, id := range []string{"x", "-1", "1.5", "9999999999999999999"} {
		apitest.WantProblem(t, b.Get("/events", "Last-Event-ID: "+id), http.StatusUnprocessableEntity, "Last-Event-ID", id)
	}
}

func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, op := range []string{
		"GET /partitions", "GET /runs", "GET /runs/1", "GET /runs/1/log", "POST /runs", "POST /runs/1/cancel", "POST /runs/1/retry", "GET /schedule",
		"PATCH /schedule", "GET /checks", "GET /flags?start=2025-01-01&end=2025-01-02", "GET /signals", "GET /revisions",
	} {
		method, path, _ := strings.Cut(op, " ")
		body := `{"from": "2025-01-01", "to": "2025-01-02"}`
		if method == "PATCH" {
			body = `{"paused": true}`
		}
		apitest.WantProblem(t, b.Do(method, path, body, "Content-Type: application/json", "Accept: text/html"), http.StatusNotAcceptable, "text/html", "application/json")
	}
	apitest.WantProblem(t, b.Get("/windows?start=2025-01-01&end=2025-01-02", "Accept: text/html"), http.StatusNotAcceptable,
		"application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
	apitest.WantProblem(t, b.Get("/events", "Accept: application/json"), http.StatusNotAcceptable, "text/event-stream")
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, path := range []string{"/partition", "/runs/", "/runs/1/", "/runs/1/pause", "/Windows", "/river/", "/data"} {
		apitest.WantProblem(t, b.Get(path), http.StatusNotFound, path)
	}
	for path, allow := range map[string]string{
		"/partitions": "GET, HEAD", "/partitions/2025-01-01": "DELETE", "/runs": "GET, HEAD, POST", "/runs/1": "GET, HEAD", "/runs/x": "GET, HEAD", "/runs/1/log": "GET, HEAD",
		"/runs/1/cancel": "POST", "/runs/1/retry": "POST", "/schedule": "GET, HEAD, PATCH", "/checks": "GET, HEAD", "/flags": "GET, HEAD",
		"/signals": "GET, HEAD", "/revisions": "GET, HEAD", "/windows": "GET, HEAD", "/events": "GET, HEAD", "/health": "GET, HEAD",
		"/ready": "GET, HEAD", "/docs": "GET, HEAD", "/openapi.yaml": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if strings.Contains(allow, method) {
				continue
			}
			a := b.Do(method, path, "")
			apitest.WantProblem(t, a, http.StatusMethodNotAllowed, method, path)
			if got := a.Header.Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, got, allow)
			}
		}
	}
}

func TestNoSuchRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, op := range []string{"GET /runs/7", "GET /runs/7/log", "POST /runs/7/cancel", "POST /runs/7/retry"} {
		method, path, _ := strings.Cut(op, " ")
		apitest.WantProblem(t, b.Do(method, path, ""), http.StatusNotFound, path)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	for _, path := range []string{
		"/partitions", "/runs", "/runs/1", "/runs/1/log", "/schedule", "/checks", "/flags?start=2025-01-01&end=2025-01-02", "/signals",
		"/revisions", "/windows?start=2025-01-01&end=2025-01-02", "/events", "/health", "/ready", "/docs", "/openapi.json",
	} {
		a := b.Do(http.MethodHead, path, "")
		if a.Status != http.StatusOK || a.Body != "" || a.Header.Get("Content-Type") == "" || len(a.Trailer) > 0 {
			t.Errorf("HEAD %s: %d %v %q", path, a.Status, a.Header, a.Body)
		}
	}
}

// A body that ends before its length is refused, and nothing is done.
func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, op := range []string{"POST /runs", "PATCH /schedule"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = io.WriteString(conn, op+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		if half, ok := conn.(*net.TCPConn); err != nil || !ok || half.CloseWrite() != nil {
			t.Fatal(err)
		}
		a := apitest.Read(t)(http.ReadResponse(bufio.NewReader(conn), nil))
		apitest.WantProblem(t, a, http.StatusBadRequest, "did not arrive whole")
	}
}
