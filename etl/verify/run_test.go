package verify_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// TestReference compares what the job makes of the replaced system's own sample.
func TestReference(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if _, err := sampleimport.Run(t.Context(), s.source, []sampleimport.File{{Name: "samples.csv", Open: func() (io.ReadCloser, error) {
		f, err := os.Open(filepath.Join("..", "..", "testdata", "samples.csv.gz"))
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { f.Close() })
		return gzip.NewReader(f)
	}}}, sampleimport.Options{}); err != nil {
		t.Fatal(err)
	}
	s.load(t, "2025-01-01", "2025-01-10")
	calls := 0
	report := s.verify(t, verify.Request{Parallel: 2, Progress: func(done, total int64) {
		if calls++; done != int64(calls) || total != 10 {
			t.Errorf("progress %d: %d of %d", calls, done, total)
		}
	}})
	if !report.OK() || report.Days != 10 || report.Values != 21_600 || calls != 10 || report.From != "2025-01-01" || report.To != "2025-01-10" {
		t.Errorf("got %+v", report)
	}
	if report.Worst != nil && report.Worst.Relative > 1e-15 {
		t.Errorf("the worst is %+v", report.Worst)
	}
	t.Logf("worst: %+v", report.Worst)
}

// A sample a second, and one each ten minutes beside it.
func TestOtherIntervals(t *testing.T) {
	t.Parallel()
	s := setup(t)
	pgtest.Exec(t, s.source, "INSERT INTO turbine (id, name, sample_interval) VALUES (2, 'A', '1 second'), (3, 'B', '10 minutes')")
	pgtest.Exec(t, s.source, "INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature) "+
		"SELECT id, at, 7 + extract(epoch FROM at)::bigint % 97 / 32.0, 600 + extract(epoch FROM at)::bigint % 89, 20 "+
		"FROM turbine, generate_series('2025-01-01Z'::timestamptz, '2025-01-01T03:59:59Z', sample_interval) AS at WHERE id > 1")
	s.load(t, "2025-01-01", "2025-01-01")
	if report := s.verify(t, verify.Request{}); !report.OK() || report.Values != 24*(15+12) {
		t.Errorf("got %+v", report)
	}
	if got := pgtest.Query[string](t, s.target, "SELECT samples || ' of ' || expected FROM partition"); got != "14424 of 87984" {
		t.Errorf("%s samples are loaded, want 14424 of 87984, of which 1440 are of turbine 1", got)
	}
}

// A turbine whose answer is no good leaves the others to be compared.
func TestUnreadableTurbine(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	s.load(t, "2025-01-01", "2025-01-01")
	api, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(api)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("turbines") == "2" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"detail":"made to fail"}`))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(gateway.Close)
	s.url = gateway.URL
	report := s.verify(t, verify.Request{})
	want := []string{
		"2025-01-01  different (1 turbine that can't be computed)",
		"2025-01-01  turbine 2  can't be computed: 500 Internal Server Error: made to fail",
	}
	if diff := cmp.Diff(want, lines(report)); diff != "" || report.Values != 2*2160 {
		t.Errorf("%d values (-want +got):\n%s", report.Values, diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := setup(t)
	run := func(r verify.Request) error {
		t.Helper()
		if r.Turbines.String() == "" {
			r.Turbines = selector.All()
		}
		_, err := verify.Run(t.Context(), verify.Config{Target: s.target, SourceURL: s.url, Log: s.log}, r)
		return err
	}
	if err := run(verify.Request{}); !errors.Is(err, verify.ErrNothingLoaded) {
		t.Errorf("got %v, want %v", err, verify.ErrNothingLoaded)
	}
	first, second := date(t, "2025-01-01"), date(t, "2025-01-02")
	for want, err := range map[string]error{
		"the last day is 2025-01-01: want one not before the first, 2025-01-02": run(verify.Request{From: &second, To: &first}),
		"turbines 8-9: the source has none of them":                             run(verify.Request{From: &first, To: &first, Turbines: turbines(t, "8,9")}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	pgtest.Exec(t, s.target, "DELETE FROM signal WHERE id = 4")
	if err := run(verify.Request{From: &first, To: &first}); err == nil || err.Error() != "the target has no signal wind_speed_std; `delfos schema apply target` writes it" {
		t.Errorf("without a signal: %v", err)
	}
	pgtest.Exec(t, s.owner, "DROP TABLE signal")
	if err := run(verify.Request{From: &first, To: &first}); err == nil || !strings.Contains(err.Error(), "; `delfos schema apply target`") {
		t.Errorf("without a table: %v", err)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	s.load(t, "2025-01-01", "2025-01-02")
	pgtest.Exec(t, s.target, "UPDATE data SET value = value + 1 WHERE turbine_id = 3 OR timestamp = '2025-01-02'")
	report := s.verify(t, verify.Request{Parallel: 2})
	want := verify.Counts{Wrong: 2*2160 + 2*15}
	if diff := cmp.Diff(want, report.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if len(report.Findings) != verify.DefaultLimit || report.Omitted != want.Total()-verify.DefaultLimit || report.Different != 2 {
		t.Errorf("%d findings, %d omitted, %d days", len(report.Findings), report.Omitted, report.Different)
	}
	for i, f := range report.Findings {
		if at := date(t, "2025-01-01").Add(time.Duration(i) * 10 * time.Minute); f.Turbine != 3 || !f.Window.Equal(at) {
			t.Errorf("finding %d is %s", i, f)
		}
	}
	// What is not finite is JSON, too.
	pgtest.Exec(t, s.owner, "ALTER TABLE data DROP CONSTRAINT data_value_finite; UPDATE data SET value = 'NaN' WHERE turbine_id = 1 AND signal_id = 1 AND timestamp = '2025-01-01'")
	report = s.verify(t, verify.Request{})
	text, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(text), `"signal":"wind_speed_mean","window":"2025-01-01T00:00:00Z","got":"NaN","want":`) {
		t.Errorf("%v: %s", err, text)
	}
	if report.Worst == nil || report.Worst.Relative != 2 {
		t.Errorf("the worst is %+v", report.Worst)
	}
}
