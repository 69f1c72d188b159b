package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const header = "timestamp,turbine_id,wind_speed,power,ambient_temperature\r\n"

// An answer of a server, whole unless something is wrong with it.
type answer struct {
	status      int
	contentType string
	body        string
	rows        string
	digest      string // of the body if empty
	cut         bool   // ends without an end
}

func (a answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if a.digest == "" {
		sum := sha256.Sum256([]byte(a.body))
		a.digest = "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Trailer", "Delfos-Rows, Content-Digest")
	w.WriteHeader(a.status)
	if _, err := io.WriteString(w, a.body); err != nil {
		panic(err)
	}
	if a.cut {
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Delfos-Rows", a.rows)
	w.Header().Set("Content-Digest", a.digest)
}

// rows is a whole answer.
func rows(count string, lines ...string) answer {
	return answer{status: http.StatusOK, contentType: "text/csv; charset=utf-8", rows: count, body: header + strings.Join(lines, "\r\n") + "\r\n"}
}

func problem(status int, detail string) answer {
	return answer{status: status, contentType: "application/problem+json", body: `{"detail":"` + detail + `"}`}
}

func TestRead(t *testing.T) {
	t.Parallel()
	good := rows("4",
		"2025-01-01T00:00:00Z,3,1.5,-2.0,",
		"2025-01-01T00:09:59.999999Z,3,1e-7,,",
		"2025-01-01T00:20:00Z,3,,,",
		"2025-01-01T23:59:00Z,3,2.5,3.0,4.0")
	at := func(hour, minute int) time.Time {
		return time.Date(2025, time.January, 1, hour, minute, 0, 0, time.UTC)
	}
	want := []readings{
		{start: at(0, 0), values: [3][]float64{{1.5, 1e-7}, {-2}, nil}},
		{start: at(0, 20)},
		{start: at(23, 50), values: [3][]float64{{2.5}, {3}, {4}}},
	}
	const first = "2025-01-01T00:00:00Z,3,1.5,2.5,3.5"
	cut, lying, forged, foreign := good, good, good, good
	cut.cut, lying.rows, forged.digest, foreign.contentType = true, "3", "sha-256=:AAAA:", "application/json"
	tests := map[string]struct {
		answers   []answer // the last for all that follow
		asked     int
		err       string // part of it, "" for none
		away      bool
		ofTurbine bool
	}{
		"good":                 {answers: []answer{good}, asked: 1},
		"good in the end":      {answers: []answer{cut, lying, forged, problem(503, "away"), good}, asked: 5},
		"one row":              {answers: []answer{rows("1", first)}, asked: 1},
		"cut off":              {answers: []answer{cut}, asked: 5, err: "broken answer: unexpected EOF", ofTurbine: true},
		"rows amiss":           {answers: []answer{lying}, asked: 5, err: `it has 4 rows, Delfos-Rows is "3"`, ofTurbine: true},
		"another digest":       {answers: []answer{forged}, asked: 5, err: `Content-Digest is "sha-256=:AAAA:"`, ofTurbine: true},
		"another format":       {answers: []answer{foreign}, asked: 1, err: "answered 200 OK with application/json, not with text/csv as the source API does"},
		"away":                 {answers: []answer{problem(503, "no database")}, asked: 5, err: "503 Service Unavailable: no database", away: true},
		"broken inside":        {answers: []answer{problem(500, "failed")}, asked: 5, err: "500 Internal Server Error: failed", ofTurbine: true},
		"refused":              {answers: []answer{problem(422, "start is missing")}, asked: 1, err: "422 Unprocessable Entity: start is missing"},
		"another column":       {answers: []answer{{status: 200, contentType: "text/csv", rows: "0", body: "timestamp,turbine_id,power,wind_speed,ambient_temperature\r\n"}}, asked: 1, err: `column 3 is "power": want "wind_speed"`, ofTurbine: true},
		"a column less":        {answers: []answer{rows("1", "2025-01-01T00:00:00Z,3,1.5,2.5")}, asked: 1, err: "wrong number of fields", ofTurbine: true},
		"another turbine":      {answers: []answer{rows("1", "2025-01-01T00:00:00Z,4,1.5,2.5,3.5")}, asked: 1, err: `row 1: turbine_id is "4": want 3`, ofTurbine: true},
		"another day":          {answers: []answer{rows("2", first, "2025-01-02T00:00:00Z,3,1.5,2.5,3.5")}, asked: 1, err: "row 2: timestamp is 2025-01-02T00:00:00Z: want one after the row before, within the day", ofTurbine: true},
		"a time twice":         {answers: []answer{rows("2", first, first)}, asked: 1, err: "row 2: timestamp is", ofTurbine: true},
		"not a time":           {answers: []answer{rows("1", "today,3,1.5,2.5,3.5")}, asked: 1, err: "row 1: timestamp:", ofTurbine: true},
		"not a number":         {answers: []answer{rows("1", "2025-01-01T00:00:00Z,3,1.5,many,3.5")}, asked: 1, err: `row 1: power is "many": want a finite number`, ofTurbine: true},
		"not a finite number":  {answers: []answer{rows("1", "2025-01-01T00:00:00Z,3,NaN,2.5,3.5")}, asked: 1, err: `row 1: wind_speed is "NaN": want a finite number`, ofTurbine: true},
		"beyond a double":      {answers: []answer{rows("1", "2025-01-01T00:00:00Z,3,1.5,2.5,1e999")}, asked: 1, err: `row 1: ambient_temperature is "1e999": want a finite number`, ofTurbine: true},
		"a header and no rows": {answers: []answer{{status: 200, contentType: "text/csv", rows: "0", body: header}}, asked: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := tt.answers[min(asked, len(tt.answers)-1)]
				asked++
				if r.Header.Get("Accept") != "text/csv" || r.Header.Get("Accept-Encoding") != "identity" {
					t.Errorf("asked with %v", r.Header)
				}
				a.ServeHTTP(w, r)
			}))
			t.Cleanup(api.Close)
			transport := &http.Transport{DisableCompression: true}
			t.Cleanup(transport.CloseIdleConnections)
			s, err := newSource(api.URL, transport, slog.New(slog.NewTextHandler(t.Output(), nil)))
			if err != nil {
				t.Fatal(err)
			}
			s.wait = time.Millisecond
			got, err := s.read(t.Context(), at(0, 0), 3)
			if asked != tt.asked {
				t.Errorf("asked %d times, want %d", asked, tt.asked)
			}
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if last := tt.answers[len(tt.answers)-1]; last == good {
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(readings{})); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %s in it", err, tt.err)
			}
			if got := errors.Is(err, ErrSourceAway); got != tt.away {
				t.Errorf("%v: away is %t", err, got)
			}
			if got := ofTurbine(t.Context(), err); got != tt.ofTurbine {
				t.Errorf("%v: of the turbine is %t", err, got)
			}
		})
	}
}
