package endtoend_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/pgtest"
)

//nolint:tparallel // They share a day of the target, which one at a time claims.
func TestRetries(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults   []fault
		requests int
	}{
		"503, Retry-After":          {[]fault{status(503, "Retry-After", "1")}, 2},
		"429, 502, 504":             {[]fault{status(429), status(502), status(504)}, 4},
		"no answer":                 {[]fault{hangUp()}, 2},
		"cut in the middle":         {[]fault{cutShort()}, 2},
		"half, ending cleanly":      {[]fault{endEarly()}, 2},
		"a wrong count of rows":     {[]fault{wrongRows()}, 2},
		"no trailers":               {[]fault{noTrailers()}, 2},
		"a bit changed on the wire": {[]fault{flipBit()}, 2},
		"one after another":         {[]fault{cutShort(), flipBit(), status(503)}, 4},
	}
	s := setup(t)
	s.seed(t, 1, 1)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pgtest.Exec(t, s.target, "TRUNCATE data")
			s.gateway.spoil(tt.faults...)
			s.run(t, 1)
			if n := s.gateway.count(); n != tt.requests {
				t.Errorf("requests: got %d, want %d", n, tt.requests)
			}
			near(t, s.values(t), s.expected(t))
		})
	}
}

//nolint:tparallel // As TestRetries.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault    fault
		requests int
		away     bool
		want     string
	}{
		"away":                    {status(503), 4, true, "503 Service Unavailable: made to fail (4 attempts)"},
		"a fault of our request":  {status(422), 1, false, "422 Unprocessable Entity: made to fail"},
		"a fault of the server's": {status(500), 1, false, "turbine 1: 500 Internal Server Error: made to fail"},
		"always cut":              {cutShort(), 4, false, "turbine 1: broken answer"},
	}
	s := setup(t)
	s.seed(t, 1, 1)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s.gateway.spoil()
			s.gateway.spoilAll(tt.fault)
			_, err := s.job.Run(t.Context(), request(1))
			if err == nil || errors.Is(err, extract.ErrAway) != tt.away || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run: got %v, want %q, away %t", err, tt.want, tt.away)
			}
			if n := s.gateway.count(); n != tt.requests {
				t.Errorf("requests: got %d, want %d", n, tt.requests)
			}
			if n := len(s.values(t)); n != 0 {
				t.Errorf("values: got %d, want none", n)
			}
		})
	}
}

// What a source says may have bytes that no database holds: the day fails with
// what can be kept of it, and is not left claimed.
func TestReasonThatNoDatabaseHolds(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	s.gateway.spoilAll(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"detail": "zero \u0000 and \ud800"}`))
		return true
	})
	if _, err := s.job.Run(t.Context(), request(1)); err == nil || !strings.Contains(err.Error(), "422 Unprocessable Entity: zero") {
		t.Errorf("run: got %v", err)
	}
	p, err := targetdb.New(s.target).ReadPartition(t.Context(), date("2025-01-01"))
	if err != nil || p.Outcome == nil || *p.Outcome != "failed" || !strings.Contains(*p.Error, "zero \uFFFD and \uFFFD") {
		t.Errorf("ledger: got %+v, %v", p, err)
	}
}

func TestBrokenTurbineDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, twoGroups)
	s.run(t, 1)
	before := s.values(t)
	pgtest.Exec(t, s.source, everyWindow)
	s.gateway.spoilAll(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		return slices.Contains(strings.Split(r.URL.Query().Get("turbines"), ","), "2") && status(500)(w, r, next)
	})
	got, err := s.job.Run(t.Context(), request(1))
	var broken *extract.BrokenError
	if !errors.As(err, &broken) || len(broken.Turbines) != 1 || broken.Turbines[0].ID != 2 {
		t.Fatalf("run: got %v, want turbine 2 to be named", err)
	}
	if p := got.Partitions[0]; p.Outcome != enum.OutcomeFailed || p.Updated == 0 || p.Samples != 2*1440 {
		t.Errorf("partition: got %s, %d updated, %d samples, want failed, some and %d", p.Outcome, p.Updated, p.Samples, 2*1440)
	}
	want := s.expected(t)
	for k, v := range before {
		if k.turbine == 2 {
			want[k] = v
		}
	}
	near(t, s.values(t), want)
	p, err := targetdb.New(s.target).ReadPartition(t.Context(), date("2025-01-01"))
	if err != nil || *p.Outcome != "failed" || !strings.Contains(*p.Error, "turbine 2") {
		t.Errorf("ledger: got %v, %v, %v, want failed and turbine 2", *p.Outcome, p.Error, err)
	}
	s.gateway.spoilAll(nil)
	s.run(t, 1)
	near(t, s.values(t), s.expected(t))
}
