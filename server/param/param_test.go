package param_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func params() []param.Param {
	return []param.Param{
		{Name: "at", In: "query", Required: true, Check: param.Timestamp},
		{Name: "colour", In: "query", List: true, Check: param.OneOf("red", "green")},
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query  string
		values url.Values
		faults []string
	}{
		{"at=2025-01-01", url.Values{"at": {"2025-01-01"}}, nil},
		{"&at=2025-01-01&&", url.Values{"at": {"2025-01-01"}}, nil},
		{"at=2025-01-01T00:00:00+01:00", url.Values{"at": {"2025-01-01T00:00:00 01:00"}}, nil},
		{"%61t=2025-01-01", url.Values{"at": {"2025-01-01"}}, nil},
		{
			"at=2025-01-01&colour=red,green&colour=red",
			url.Values{"at": {"2025-01-01"}, "colour": {"red", "green", "red"}},
			nil,
		},
		{"", nil, []string{"at is required"}},
		{"at=1", nil, []string{`at "1" is not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01`}},
		{"at=2025-01-01&at=2025-01-01", nil, []string{`at "2025-01-01" is given again; it may stand once`}},
		{"at=2025-01-01&colour=", nil, []string{`colour "" has an empty value; it is none of red, green`}},
		{"at=2025-01-01&colour=red,blue", nil, []string{`colour "blue" is none of red, green`}},
		{"at=%g0", nil, []string{`at "%g0" is not percent-encoded`}},
		{"b=1", nil, []string{"b is not a parameter here; those are at, colour", "at is required"}},
		{"at=2025-01-01&=1", nil, []string{`"" is not a parameter here; those are at, colour`}},
		{"at=2025-01-01&%00=1", nil, []string{`"\x00" is not a parameter here; those are at, colour`}},
		{"at=2025-01-01;b=1", nil, []string{
			`at "2025-01-01;b=1" is not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			values, faults := param.Parse(tt.query, params())
			var got []string
			for _, f := range faults {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(tt.faults, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.values, values); tt.values != nil && diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// A query of some kilobytes is not answered with megabytes: few faults are
// told, and of long names the beginning.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"unknown": strings.Repeat("a&", 30_000),
		"empty":   "colour=" + strings.Repeat(",", 60_000),
		"wrong":   strings.Repeat("colour=x&", 7_000),
		"name":    strings.Repeat("a", 60_000) + "=1",
		"escape":  strings.Repeat("a", 60_000) + "%zz=1",
	} {
		_, faults := param.Parse(query, params())
		size := 0
		for _, f := range faults {
			size += len(f.String())
		}
		if last := faults[len(faults)-1].String(); len(faults) > 21 || size > 10_000 || last != "at is required" {
			t.Errorf("%s: %d faults of %d bytes, the last %q", name, len(faults), size, last)
		}
	}
}

// net/url refuses a query of more than 10,000 values, so a list that would
// become one is a fault of the client's and not of the server's.
func TestManyItems(t *testing.T) {
	t.Parallel()
	query := func(n int) string {
		return "colour=" + strings.TrimSuffix(strings.Repeat("red,", n), ",") + "&at=2025-01-01"
	}
	values, faults := param.Parse(query(9_000), params())
	if got, err := url.ParseQuery(values.Encode()); len(faults) > 0 || err != nil || len(got["colour"]) != 9_000 {
		t.Errorf("9,000 items: %v, %v, %d of them", faults, err, len(got["colour"]))
	}
	_, faults = param.Parse(query(9_001), params())
	if len(faults) != 1 || faults[0].String() != "colour brings the query to more than 9000 items" {
		t.Errorf("9,001 items: %v", faults)
	}
}

func TestHook(t *testing.T) {
	t.Parallel()
	var failed error
	var seen url.Values
	fail := func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err }
	handler := param.Hook(fail)(param.Operation{Params: params()}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.URL.Query() }))
	call := func(method, target string) {
		failed, seen = nil, nil
		r := httptest.NewRequest(method, target, nil)
		before := r.URL.RawQuery
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if r.URL.RawQuery != before {
			t.Errorf("%s: the caller's request was changed", target)
		}
	}

	for _, list := range []string{"colour=red,green", "colour=red&colour=green"} {
		call(http.MethodGet, "/paint?at=2025-01-01&"+list)
		if diff := cmp.Diff([]string{"red,green"}, seen["colour"]); diff != "" || failed != nil {
			t.Errorf("%s is not one list: %v (-want +got):\n%s", list, failed, diff)
		}
	}
	call(http.MethodHead, "/paint?at=x")
	if e, ok := errors.AsType[*problem.Error](failed); !ok || seen != nil {
		t.Errorf("a faulty query gave %v and passed as %v", e, seen)
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	check := param.Whole(1, 10_000)
	for _, value := range []string{"1", "10000", "007"} {
		if wrong := check(value); wrong != "" {
			t.Errorf("%q %s", value, wrong)
		}
	}
	for _, value := range []string{"", "0", "10001", "-1", "+1", "1.0", "1e3", " 1", "1_000", "0x10", "٣", "99999999999999999999"} {
		if got, want := check(value), "is not a whole number from 1 to 10000"; got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}
