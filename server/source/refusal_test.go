package source_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/stream"
)

// Each fault is named, with its value and what is allowed, all at once.
func TestParametersRefused(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL) // refused before the database is asked
	const start, end = "start=2025-01-01", "end=2025-01-02"
	tests := []struct {
		path, query string
		faulty      []string // the parameters in errors, in order
		words       []string // in detail
	}{
		{"/data", "", []string{"start", "end"}, []string{"start is required", "end is required"}},
		{"/data", start, []string{"end"}, []string{"end is required, or before in its place"}},
		{"/data", start + "&before=x", []string{"before"}, []string{`before "x" is not a timestamp`}},
		{"/data", start + "&" + end + "&before=2025-01-02", []string{"before"}, []string{`before "2025-01-02" stands beside end; give one of them`}},
		{"/data/digest", start + "&" + end + "&before=2025-01-02", []string{"before"}, nil},
		{"/data", start + "&end=2025-01-01T23:59:59.9999995Z", []string{"end"}, []string{"is not whole microseconds", "six digits"}},
		{"/data", "start=2025-01-01T00:00:00.000000001Z&before=2025-01-01T00:00:00.123456789+01:00", []string{"start", "before"}, nil},
		{"/data", end, []string{"start"}, []string{"start is required"}},
		{"/data", "start=&" + end, []string{"start"}, []string{`start ""`, "empty", "2025-01-01T00:00:00Z"}},
		{"/data", "start&" + end, []string{"start"}, []string{"empty"}},
		{"/data", "start=yesterday&" + end, []string{"start"}, []string{`start "yesterday" is not a timestamp`}},
		{"/data", "start=1735689600&" + end, []string{"start"}, []string{`"1735689600" is not a timestamp`}},
		{"/data", "start=1735689600.5&end=1735689600000", []string{"start", "end"}, nil},
		{"/data", "start=2025-02-30&" + end, []string{"start"}, nil},
		{"/data", "start=0000-12-31&" + end, []string{"start"}, []string{"0001 to 9999"}},
		{"/data", start + "&end=10000-01-01", []string{"end"}, nil},
		{"/data", start + "&end=9999-12-31T23:59:59-01:00", []string{"end"}, []string{"0001 to 9999"}},
		{"/data", start + "&" + start + "&" + end, []string{"start"}, []string{"start", "once"}},
		{"/data", start + "&" + end + "&end=x&end=y", []string{"end"}, []string{"end", "once"}},
		{"/data", start + "&" + end + "&max=5", []string{"max"}, []string{"max is not a parameter", "start, end, before, variables, turbines, format, limit, cursor"}},
		{"/data", start + "&" + end + "&Variables=power", []string{"Variables"}, nil},
		{"/data", start + "&" + end + "&format=xml", []string{"format"}, []string{`format "xml" is none of json, ndjson, csv, arrow, parquet`}},
		{"/data", start + "&" + end + "&format=JSON", []string{"format"}, nil},
		{"/data", start + "&" + end + "&format=", []string{"format"}, []string{"empty", "json, ndjson"}},
		{"/data", start + "&" + end + "&format=json&format=csv", []string{"format"}, []string{"once"}},
		{"/data", start + "&" + end + "&format=json,csv", []string{"format"}, nil},
		{"/data", start + "&" + end + "&limit=0", []string{"limit"}, []string{`limit "0" is not a whole number from 1 to 10000`}},
		{"/data", start + "&" + end + "&limit=10001", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=-1", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=%2B5", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=5.0", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=1e3", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=99999999999999999999", []string{"limit"}, nil},
		{"/data", start + "&" + end + "&limit=", []string{"limit"}, []string{"empty"}},
		{"/data", start + "&" + end + "&limit=1&limit=1", []string{"limit"}, []string{"once"}},
		{"/data", start + "&" + end + "&cursor=", []string{"cursor"}, []string{"empty"}},
		{"/data", start + "&" + end + "&cursor=next", []string{"cursor"}, []string{`cursor "next" is none that a Link`}},
		{"/data", start + "&" + end + "&cursor=" + strings.Repeat("A", 34), []string{"cursor"}, nil},
		{"/data", start + "&" + end + "&cursor=" + strings.Repeat("A", 5000), []string{"cursor"}, nil},
		{"/data", "start=x&" + end + "&limit=x&cursor=x&format=x", []string{"start", "limit", "cursor", "format"}, nil},
		{"/data/digest", "", []string{"start", "end"}, nil},
		{"/data/changes", "since=", []string{"since"}, []string{"empty"}},
		{"/data/changes", "since=a.b", []string{"since"}, nil},
		{"/data/changes", "since=MSAyIDM6Mzo", []string{"since"}, []string{`since "MSAyIDM6Mzo" is no cursor`}},
		{"/data/changes", "since=" + strings.Repeat("A", 5000), []string{"since"}, nil},
		{"/data/changes", start, []string{"start"}, []string{"since"}},
		{"/data/digest", start + "&" + end + "&turbines=x", []string{"turbines"}, nil},
		{"/data/digest", start + "&" + end + "&variables=power", []string{"variables"}, []string{"start, end, before, turbines"}},
		{"/data/digest", start + "&" + end + "&limit=5&format=csv", []string{"limit", "format"}, nil},
		{"/data", start + "&" + end + "&variables=speed", []string{"variables"}, []string{`variables "speed" is none of wind_speed, power, ambient_temperature`}},
		{"/data", start + "&" + end + "&variables=", []string{"variables"}, []string{"empty"}},
		{"/data", start + "&" + end + "&variables=power,,wind_speed", []string{"variables"}, []string{"empty"}},
		{"/data", start + "&" + end + "&variables=power,%20wind_speed", []string{"variables"}, nil},
		{"/data", start + "&" + end + "&variables=a&variables=b,power", []string{"variables", "variables"}, []string{`"a"`, `"b"`}},
		{"/data", start + "&" + end + "&turbines=", []string{"turbines"}, []string{"empty"}},
		{"/data", start + "&" + end + "&turbines=5-1", []string{"turbines"}, []string{`turbines "5-1"`, "lower end first"}},
		{"/data", start + "&" + end + "&turbines=0", []string{"turbines"}, nil},
		{"/data", start + "&" + end + "&turbines=1,x,99999999999", []string{"turbines", "turbines"}, []string{`"x"`, `"99999999999"`}},
		{"/data", start + "&" + end + "&turbines=2147483648", []string{"turbines"}, []string{"2147483647"}},
		{"/data", "start=%zz&" + end, []string{"start"}, []string{"percent-encoded"}},
		{"/data", start + "&" + end + "&%zz=1", []string{"%zz"}, nil},
		{"/data", "start=x&end=y&variables=z&turbines=w&more=1", []string{"start", "end", "variables", "turbines", "more"}, nil},
		{"/data", start + "&" + end + "&turbines=" + strings.Repeat("9", 5000), []string{"turbines"}, []string{"999…"}},
		{"/data", start + "&" + end + "&turbines=%ff%00", []string{"turbines"}, nil},
		{"/turbines", "id=1", []string{"id"}, []string{"those are span, start, end"}},
		{"/turbines", "start=2025-01-01", []string{"start"}, []string{"goes with span=true alone"}},
		{"/turbines", "span=false&end=2025-01-01", []string{"end"}, []string{"goes with span=true alone"}},
		{"/turbines", "span=true&before=2025-01-01", []string{"before"}, nil},
		{"/turbines", "span=true&start=yesterday", []string{"start"}, []string{"is not a timestamp"}},
		{"/turbines", "span=1", []string{"span"}, []string{`span "1"`, "false, true"}},
		{"/health", "id=1", []string{"id"}, []string{"there are none"}},
		{"/health", "x", []string{"x"}, nil},
		{"/ready", "x=1", []string{"x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.path+"?"+clip(tt.query), func(t *testing.T) {
			t.Parallel()
			p := apitest.WantProblem(t, b.Get(tt.path+"?"+tt.query), http.StatusUnprocessableEntity, tt.words...)
			var faulty []string
			for _, f := range p.Errors {
				faulty = append(faulty, f.Parameter)
				if f.Detail == "" || !strings.Contains(p.Detail, f.Detail) {
					t.Errorf("the detail of %s, %q, is not part of %q", f.Parameter, f.Detail, p.Detail)
				}
			}
			if diff := cmp.Diff(tt.faulty, faulty); diff != "" {
				t.Errorf("faulty parameters (-want +got):\n%s\n%s", diff, p.Detail)
			}
		})
	}
}

func clip(s string) string { return s[:min(len(s), 80)] }

func TestEmptyRangesAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for query, want := range map[string]string{
		"start=2025-01-02&end=2025-01-01":                              "start must not be later than end",
		"start=2025-01-01T01:00:00%2B01:00&end=2024-12-31T23:59:59Z":   "start must not be later than end",
		"start=2025-01-01&before=2025-01-01":                           "start must be earlier than before",
		"start=0001-01-01&before=0001-01-01":                           "start must be earlier than before",
		"start=2025-01-01T01:00:00%2B01:00&before=2025-01-01T00:00:00": "start must be earlier than before",
	} {
		for _, path := range []string{"/data?", "/data/digest?"} {
			p := apitest.WantProblem(t, b.Get(path+query), http.StatusBadRequest)
			if p.Detail != want {
				t.Errorf("%s%s: detail is %q, want %q", path, query, p.Detail, want)
			}
		}
	}
}

func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, path := range []string{"/data?" + day, "/data/digest?" + day, "/turbines"} {
		for _, accept := range []string{"text/html", "application/pdf;q=1", "image/*, text/html"} {
			apitest.WantProblem(t, b.Get(path, "Accept: "+accept), http.StatusNotAcceptable, accept, "application/json")
		}
	}
	// /data has every format, the others JSON alone.
	apitest.WantProblem(t, b.Get("/data?"+day, "Accept: text/html"), http.StatusNotAcceptable,
		"application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
	for _, path := range []string{"/data/digest?" + day, "/turbines"} {
		apitest.WantProblem(t, b.Get(path, "Accept: text/csv"), http.StatusNotAcceptable)
	}
	live := setup(t)
	for _, accept := range []string{"*/*", "application/*", "application/json", "text/html, */*;q=0.1"} {
		for _, path := range []string{"/data?" + day, "/data/digest?" + day, "/turbines"} {
			if a := live.Get(path, "Accept: "+accept); a.Status != http.StatusOK {
				t.Errorf("%s, Accept: %s: got %d %s", path, accept, a.Status, a.Body)
			}
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	for _, path := range []string{"/dta", "/data/", "/data/digest/", "/data/1", "/Data", "/docs/nothing.js", "/redoc/nothing.js"} {
		apitest.WantProblem(t, b.Get(path), http.StatusNotFound, path)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
		for _, path := range []string{"/data", "/data/digest", "/turbines", "/health", "/ready", "/docs", "/openapi.yaml"} {
			a := b.Do(method, path, "")
			apitest.WantProblem(t, a, http.StatusMethodNotAllowed, method, path)
			if got, want := a.Header.Get("Allow"), "GET, HEAD"; got != want {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, got, want)
			}
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/health", "/ready", "/turbines", "/data?" + day, "/data/digest?" + day, "/docs", "/redoc", "/openapi.yaml", "/openapi.json"} {
		a := b.Do(http.MethodHead, path, "")
		if a.Status != http.StatusOK || a.Body != "" || a.Header.Get("Content-Type") == "" || len(a.Trailer) > 0 {
			t.Errorf("HEAD %s: %d %v %q", path, a.Status, a.Header, a.Body)
		}
	}
	for _, f := range stream.Formats() {
		if a := b.Do(http.MethodHead, "/data?"+day+"&format="+f.Name, ""); a.Header.Get("Content-Type") != f.MediaType || a.Header.Get("Accept-Ranges") != "none" {
			t.Errorf("HEAD of %s: %d %v", f.Name, a.Status, a.Header)
		}
	}
	if a := b.Do(http.MethodHead, "/data", ""); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("HEAD /data without parameters: %d", a.Status)
	}
}
