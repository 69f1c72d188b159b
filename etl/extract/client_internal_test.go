package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/test/sourcetest"
	"github.com/delfos/delfos/server/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testDay() time.Time { return time.Date(2025, time.January, 2, 0, 0, 0, 0, time.UTC) }

// clientOf asks an API that a handler plays, twice at most.
func clientOf(t testing.TB, url string) *Client {
	t.Helper()
	c, err := New(url, apiclient.Token{}, Retry{Attempts: 2, First: time.Millisecond, Longest: time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// collect reads the samples of an answer.
func collect(t testing.TB, a http.Handler, turbines ...int32) (samples []Sample, err error) {
	t.Helper()
	for sample, err := range clientOf(t, sourcetest.Serve(t, a)).Samples(t.Context(), testDay(), turbines) {
		if err != nil {
			return samples, err
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

func TestSamples(t *testing.T) {
	t.Parallel()
	// More than one batch; some turbines have no samples.
	samples, err := collect(t, sourcetest.Rows(t, sourcetest.Day(testDay(), 1, 3, 4, 7)...), 1, 2, 3, 4, 7, 8)
	if err != nil || len(samples) != 4*SamplesPerDay {
		t.Fatalf("got %d samples, %v, want %d", len(samples), err, 4*SamplesPerDay)
	}
	want := Sample{Turbine: 7, At: EndOf(testDay()).Truncate(time.Minute).UnixMicro()}
	for i := range want.Readings {
		want.Readings[i] = 20
	}
	want.Readings[0], want.Readings[1] = 16, math.NaN()
	if diff := cmp.Diff(want, samples[len(samples)-1], cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the last sample (-want +got):\n%s", diff)
	}
	if samples, err := collect(t, sourcetest.Rows(t), 1); err != nil || len(samples) != 0 {
		t.Errorf("no rows: got %d samples, %v", len(samples), err)
	}
	if samples, err := collect(t, overHTTP10(t, sourcetest.Rows(t, sourcetest.Day(testDay(), 1)...)), 1); err != nil || len(samples) != SamplesPerDay {
		t.Errorf("trailers in the header: got %d samples, %v", len(samples), err)
	}
}

// overHTTP10 puts into the header what closes an answer, as a server does that is
// asked over HTTP/1.0.
func overHTTP10(t testing.TB, a sourcetest.Answer) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		a.ServeHTTP(recorded, r)
		result := recorded.Result()
		w.Header().Set("Content-Type", result.Header.Get("Content-Type"))
		for name := range result.Trailer {
			w.Header().Set(name, result.Trailer.Get(name))
		}
		_, _ = io.Copy(w, result.Body)
	})
}

func TestSamplesEndInAnError(t *testing.T) {
	t.Parallel()
	day, rows := testDay(), sourcetest.Day(testDay(), 1)
	whole := sourcetest.Rows(t, rows...)
	body := func(b []byte) sourcetest.Answer { return sourcetest.Answer{Body: b, Rows: len(rows)} }
	change := func(f func(*sourcetest.Answer)) sourcetest.Answer {
		a := whole
		f(&a)
		return a
	}
	asText := sourcetest.Columns()
	asText[2].Kind = stream.Timestamp
	at := func(turbine int32, at time.Time) sourcetest.Row { return sourcetest.Row{Turbine: turbine, At: at} }
	tests := map[string]struct {
		answer  sourcetest.Answer
		damaged bool // as against well-formed and wrong, which no other try mends
		want    string
	}{
		"cut off":                      {change(func(a *sourcetest.Answer) { a.Cut = true }), true, "unexpected EOF"},
		"another digest":               {change(func(a *sourcetest.Answer) { a.Digest = "sha-256=:AAAA:" }), true, `Content-Digest says "sha-256=:AAAA:"`},
		"another number of rows":       {change(func(a *sourcetest.Answer) { a.Rows = 7 }), true, `the body has 1440 rows, and Delfos-Rows says "7"`},
		"no trailers":                  {change(func(a *sourcetest.Answer) { a.Digest = "-" }), false, "without the trailers"},
		"another format":               {sourcetest.JSON(0, "[]"), false, "answered 200 OK with application/json, not with " + sourcetest.Arrow},
		"nothing":                      {body(nil), true, "broken answer"},
		"a page":                       {body([]byte("<html><body>not here</body></html>")), true, "broken answer"},
		"cut in the schema":            {body(whole.Body[:40]), true, "broken answer"},
		"cut in a batch":               {body(whole.Body[:len(whole.Body)/2]), true, "broken answer"},
		"another turbine":              {sourcetest.Rows(t, at(9, day)), false, "row 1: turbine 9 was not asked for"},
		"turbines reversed":            {sourcetest.Rows(t, at(2, day), at(1, day)), false, "row 2: turbine 1 was not asked for, or comes out of order"},
		"the day before":               {sourcetest.Rows(t, at(1, day.Add(-time.Microsecond))), false, "row 1: timestamp 2025-01-01T23:59:59.999999Z was not asked for"},
		"the day after":                {sourcetest.Rows(t, at(1, day), at(1, day.AddDate(0, 0, 1))), false, "row 2: timestamp 2025-01-03T00:00:00Z was not asked for"},
		"a variable less":              {body(sourcetest.Encode(t, sourcetest.Columns()[:3], rows)), false, "0 columns named power"},
		"a variable that is no number": {body(sourcetest.Encode(t, asText, rows)), false, "wind_speed is of type timestamp"},
		"away":                         {sourcetest.Problem(http.StatusServiceUnavailable, "no database"), false, "503 Service Unavailable: no database"},
		"broken inside":                {sourcetest.Problem(http.StatusInternalServerError, "failed"), false, "500 Internal Server Error: failed"},
		"refused":                      {sourcetest.Problem(http.StatusUnprocessableEntity, "start is missing"), false, "422 Unprocessable Entity: start is missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := collect(t, tt.answer, 1, 2)
			if err == nil || errors.Is(err, ErrBroken) != tt.damaged || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q, broken %t", err, tt.want, tt.damaged)
			}
			if got, want := errors.Is(err, ErrAway), tt.answer.Status == http.StatusServiceUnavailable; got != want {
				t.Errorf("%v: away is %t", err, got)
			}
		})
	}
}

// What nobody takes to its end costs no error, and its memory comes back.
func TestSamplesMayBeLeft(t *testing.T) {
	t.Parallel()
	c := clientOf(t, sourcetest.Serve(t, sourcetest.Rows(t, sourcetest.Day(testDay(), 1)...)))
	for _, err := range c.Samples(t.Context(), testDay(), []int32{1}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if len(c.bodies) != 1 {
		t.Errorf("%d bodies are kept, want 1", len(c.bodies))
	}
}

func TestTurbines(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		sourcetest.Turbines(t, sourceapi.Turbine{Id: 3}, sourceapi.Turbine{Id: 1}, sourceapi.Turbine{Id: 3}): "[1 3] <nil>",
		`[]`:                                     "[] <nil>",
		`[{"id":1,`:                              "[] list turbines: broken answer: the list of turbines is not JSON (2 attempts)",
		`[{"id":1,"name":"a former version's"}]`: "altitude is missing of item 0",
	} {
		ids, err := clientOf(t, sourcetest.Serve(t, sourcetest.JSON(0, body))).TurbineIDs(t.Context())
		if got := fmt.Sprint(ids, " ", err); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestExpected(t *testing.T) {
	t.Parallel()
	day := func(s string) *openapi_types.Date {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return &openapi_types.Date{Time: at}
	}
	for name, tt := range map[string]struct {
		turbine sourceapi.Turbine
		want    int64
	}{
		"a sample a minute":          {sourceapi.Turbine{SampleInterval: 60}, 1440},
		"every ten minutes":          {sourceapi.Turbine{SampleInterval: 600}, 144},
		"every eleven minutes":       {sourceapi.Turbine{SampleInterval: 660}, 131},
		"every second":               {sourceapi.Turbine{SampleInterval: 1}, 86_400},
		"once a day":                 {sourceapi.Turbine{SampleInterval: 86_400}, 1},
		"no interval":                {sourceapi.Turbine{}, 86_400},
		"on its first day":           {sourceapi.Turbine{SampleInterval: 60, Commissioned: day("2025-01-02")}, 1440},
		"before its first day":       {sourceapi.Turbine{SampleInterval: 60, Commissioned: day("2025-01-03")}, 0},
		"on its last day":            {sourceapi.Turbine{SampleInterval: 60, Decommissioned: day("2025-01-02")}, 1440},
		"after its last day":         {sourceapi.Turbine{SampleInterval: 60, Decommissioned: day("2025-01-01")}, 0},
		"between its first and last": {sourceapi.Turbine{SampleInterval: 60, Commissioned: day("2020-01-01"), Decommissioned: day("2030-01-01")}, 1440},
	} {
		if got := Expected(tt.turbine, testDay(), testDay().AddDate(0, 0, 1)); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
	for now, want := range map[string]int64{
		"2025-01-01T23:59:59Z": 0, "2025-01-02T00:00:00Z": 0, "2025-01-02T00:00:01Z": 1, "2025-01-02T00:11:00Z": 1,
		"2025-01-02T00:11:01Z": 2, "2025-01-02T12:00:00Z": 66, "2025-01-02T23:59:59Z": 131, "2025-01-03T00:00:00Z": 131, "2030-01-01T00:00:00Z": 131,
	} {
		at, err := time.Parse(time.RFC3339, now)
		if got := Expected(sourceapi.Turbine{SampleInterval: 660}, testDay(), at); err != nil || got != want {
			t.Errorf("at %s: got %d (%v), want %d", now, got, err, want)
		}
	}
}

// TestStall shows that a server which hangs, wherever it does, is an error.
func TestStall(t *testing.T) {
	t.Parallel()
	hang := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if body != "" {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}
	}
	whole := string(sourcetest.Rows(t, sourcetest.Day(testDay(), 1)...).Body)
	data := func(ctx context.Context, c *Client) error {
		_, err := Try(ctx, c, func() (struct{}, error) {
			for _, err := range c.Samples(ctx, testDay(), []int32{1}) {
				if err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		return err
	}
	list := func(ctx context.Context, c *Client) error { _, err := c.TurbineIDs(ctx); return err }
	tests := map[string]struct {
		handler http.HandlerFunc
		ask     func(context.Context, *Client) error
	}{
		"before the header":                  {hang(0, "", ""), data},
		"in the samples":                     {hang(http.StatusOK, sourcetest.Arrow, whole[:100]), data},
		"after the samples":                  {hang(http.StatusOK, sourcetest.Arrow, whole), data},
		"in a refusal":                       {hang(http.StatusServiceUnavailable, "application/problem+json", `{"detail":"`), data},
		"before the header, of the turbines": {hang(0, "", ""), list},
		"in the turbines":                    {hang(http.StatusOK, "application/json", `[{"id":1},`), list},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, sourcetest.Serve(t, tt.handler))
			c.guard.after = 100 * time.Millisecond
			if err := tt.ask(t.Context(), c); !errors.Is(err, ErrAway) {
				t.Errorf("got %v, want %v", err, ErrAway)
			}
		})
	}
}

// TestNoUseInRetrying covers what no second try mends.
func TestNoUseInRetrying(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(sourcetest.JSON(0, "[]"))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := sourcetest.Serve(t, sourcetest.JSON(0, "[]"))
	for name, url := range map[string]string{
		"a certificate that nobody vouches for": secure.URL,
		"HTTPS of a server that speaks HTTP":    strings.Replace(plain, "http:", "https:", 1),
		"HTTP of a server that speaks HTTPS":    strings.Replace(secure.URL, "https:", "http:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := clientOf(t, url).TurbineIDs(t.Context())
			if err == nil || strings.Contains(err.Error(), "attempts") {
				t.Errorf("turbines: got %v, want an error at the first attempt", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"-3":                            0,
		"soon":                          0,
		"7":                             7 * time.Second,
		"100000":                        time.Minute,
		"99999999999":                   time.Minute, // in nanoseconds more than an int64 holds
		"Wed, 01 Jan 2025 00:00:09 GMT": 9 * time.Second,
		"Tue, 31 Dec 2024 23:59:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now, time.Minute); got != want {
			t.Errorf("Retry-After %q: got %s, want %s", value, got, want)
		}
	}
}
