package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	at := func(hour, minute int) time.Time {
		return time.Date(2025, time.January, 1, hour, minute, 0, 0, time.UTC)
	}
	row := func(at time.Time, value float64) sourcetest.Row {
		return sourcetest.Row{Turbine: 3, At: at, Value: value}
	}
	good := sourcetest.Rows(t, row(at(0, 0), 1.5), row(at(0, 10).Add(-time.Microsecond), 1e-7), row(at(23, 59), 2.5))
	want := []readings{
		{start: at(0, 0), values: [variable.Count][]float64{{1.5, 1e-7}, nil, {20, 20}}},
		{start: at(23, 50), values: [variable.Count][]float64{{2.5}, nil, {20}}},
	}
	cut, lying, forged, foreign := good, good, good, good
	cut.Cut, lying.Rows, forged.Digest, foreign.ContentType = true, 7, "sha-256=:AAAA:", "application/json"
	infinite := good
	infinite.Body = bytes.Replace(good.Body, littleEndian(1.5), littleEndian(math.Inf(1)), 1)
	tests := map[string]struct {
		answers   []sourcetest.Answer // the last for all that follow
		asked     int64
		err       string // part of it, "" for none
		away      bool
		ofTurbine bool
	}{
		"good":                {answers: []sourcetest.Answer{good}, asked: 1},
		"good in the end":     {answers: []sourcetest.Answer{cut, lying, forged, sourcetest.Problem(503, "away"), good}, asked: 5},
		"no rows":             {answers: []sourcetest.Answer{sourcetest.Rows(t)}, asked: 1},
		"cut off":             {answers: []sourcetest.Answer{cut}, asked: 5, err: "broken answer: unexpected EOF", ofTurbine: true},
		"rows amiss":          {answers: []sourcetest.Answer{lying}, asked: 5, err: `the body has 3 rows, and Delfos-Rows says "7"`, ofTurbine: true},
		"another format":      {answers: []sourcetest.Answer{foreign}, asked: 1, err: "answered 200 OK with application/json"},
		"away":                {answers: []sourcetest.Answer{sourcetest.Problem(503, "no database")}, asked: 5, err: "503 Service Unavailable: no database", away: true},
		"broken inside":       {answers: []sourcetest.Answer{sourcetest.Problem(500, "failed")}, asked: 1, err: "500 Internal Server Error: failed", ofTurbine: true},
		"refused":             {answers: []sourcetest.Answer{sourcetest.Problem(422, "start is missing")}, asked: 1, err: "422 Unprocessable Entity: start is missing"},
		"another turbine":     {answers: []sourcetest.Answer{sourcetest.Rows(t, sourcetest.Row{Turbine: 4, At: at(0, 0)})}, asked: 1, err: "row 1: turbine 4 was not asked for", ofTurbine: true},
		"a time twice":        {answers: []sourcetest.Answer{sourcetest.Rows(t, row(at(0, 0), 1), row(at(0, 0), 1))}, asked: 1, err: "row 2: timestamp is 2025-01-01T00:00:00Z: want one after the row before", ofTurbine: true},
		"not a finite number": {answers: []sourcetest.Answer{infinite}, asked: 1, err: "row 1: wind_speed is +Inf: want a finite number", ofTurbine: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			client, err := extract.New(sourcetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.answers[min(int(asked.Add(1)), len(tt.answers))-1].ServeHTTP(w, r)
			})), apiclient.Token{}, extract.Retry{Attempts: 5, First: time.Millisecond, Longest: time.Millisecond}, slog.New(slog.NewTextHandler(t.Output(), nil)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			got, err := read(t.Context(), client, at(0, 0), 3)
			if asked.Load() != tt.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tt.asked)
			}
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(readings{})); diff != "" && name != "no rows" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %s in it", err, tt.err)
			}
			if got := errors.Is(err, extract.ErrAway); got != tt.away {
				t.Errorf("%v: away is %t", err, got)
			}
			if got := ofTurbine(t.Context(), err); got != tt.ofTurbine {
				t.Errorf("%v: of the turbine is %t", err, got)
			}
		})
	}
}

// littleEndian is how Arrow writes a number.
func littleEndian(x float64) []byte {
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))
}
