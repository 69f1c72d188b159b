package etl

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// api answers GET /data with a sample a turbine, and counts.
type api struct {
	mu       sync.Mutex
	requests int
	// broken turbines make a request that asks for any of them fail.
	broken func(turbine int) bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests++
	a.mu.Unlock()
	var rows []string
	for list := range strings.SplitSeq(strings.Join(r.URL.Query()["turbines"], ","), ",") {
		id, err := strconv.Atoi(list)
		if err != nil || a.broken(id) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		rows = append(rows, fmt.Sprintf(`{"timestamp":"2025-01-02T00:00:00Z","turbine_id":%d,"power":1}`, id))
	}
	body := "[" + strings.Join(rows, ",") + "]"
	sum := sha256.Sum256([]byte(body))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Trailer", "Delfos-Rows, Content-Digest")
	_, _ = w.Write([]byte(body))
	w.Header().Set("Delfos-Rows", strconv.Itoa(len(rows)))
	w.Header().Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
}

// newTestSource reads from an API that handler plays.
func newTestSource(t *testing.T, url string, group int) *source {
	t.Helper()
	s, transport, err := newSource(Config{
		SourceURL: url, Group: group, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Retry: Retry{Attempts: 2, First: time.Millisecond, Longest: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

func turbinesTo(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	return ids
}

func TestExtractFindsTheBrokenTurbines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		broken   func(int) bool
		named    []int32
		requests int
		gaveUp   bool
	}{
		"none":                 {func(int) bool { return false }, nil, 2, false},
		"one":                  {func(id int) bool { return id == 3 }, []int32{3}, 14, false},
		"every eighth":         {func(id int) bool { return id%8 == 5 }, []int32{5, 13, 21, 29, 37, 45, 53, 61, 69, 77, 85, 93}, 0, false},
		"all of the first ten": {func(id int) bool { return id <= 10 }, []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0, false},
		"all":                  {func(int) bool { return true }, nil, hopeless, true},
		"all after the first":  {func(id int) bool { return id > 64 }, nil, 1 + hopeless, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &api{broken: tt.broken}
			front := httptest.NewServer(server)
			t.Cleanup(front.Close)
			var read, named []int32
			err := newTestSource(t, front.URL, 64).extract(t.Context(), testDay(), turbinesTo(100), func(g group) error {
				for i, s := range g.series {
					if s.turbine != g.read[i] {
						t.Errorf("series %d is of turbine %d, want %d", i, s.turbine, g.read[i])
					}
				}
				read = append(read, g.read...)
				for _, b := range g.broken {
					named = append(named, b.ID)
				}
				return nil
			})
			if tt.requests > 0 && server.requests != tt.requests {
				t.Errorf("requests: got %d, want %d", server.requests, tt.requests)
			}
			if tt.gaveUp {
				var status *statusError
				if !errors.As(err, &status) || errors.Is(err, ErrSourceAway) || !strings.Contains(err.Error(), "32 requests in a row failed") {
					t.Errorf("extract: got %v, want it to give up on the day alone", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []int32
			for _, id := range turbinesTo(100) {
				if !tt.broken(int(id)) {
					want = append(want, id)
				}
			}
			if diff := cmp.Diff(want, read); diff != "" {
				t.Errorf("turbines read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.named, named); diff != "" {
				t.Errorf("broken turbines (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStall shows that a server which hangs, wherever it does, is an error.
func TestStall(t *testing.T) {
	t.Parallel()
	hang := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if body != "" {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}
	}
	data := func(ctx context.Context, s *source) error {
		return s.extract(ctx, testDay(), turbinesTo(2), func(group) error { return nil })
	}
	list := func(ctx context.Context, s *source) error { _, err := s.turbines(ctx); return err }
	tests := map[string]struct {
		handler http.HandlerFunc
		ask     func(context.Context, *source) error
	}{
		"before the header":                  {hang(0, ""), data},
		"in the samples":                     {hang(http.StatusOK, `[{"timestamp":"2025-01-02T00:00:00Z","turbine_id":1,`), data},
		"after the samples":                  {hang(http.StatusOK, `[]`), data},
		"in a refusal":                       {hang(http.StatusServiceUnavailable, `{"detail":"`), data},
		"before the header, of the turbines": {hang(0, ""), list},
		"in the turbines":                    {hang(http.StatusOK, `[{"id":1},`), list},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(tt.handler)
			t.Cleanup(front.Close)
			s := newTestSource(t, front.URL, 64)
			s.guard.after = 100 * time.Millisecond
			if err := tt.ask(t.Context(), s); !errors.Is(err, ErrSourceAway) {
				t.Errorf("got %v, want %v", err, ErrSourceAway)
			}
		})
	}
}

// TestNoUseInRetrying covers what no second try mends.
func TestNoUseInRetrying(t *testing.T) {
	t.Parallel()
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	secure := httptest.NewUnstartedServer(&api{})
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(&api{})
	t.Cleanup(plain.Close)
	for name, url := range map[string]string{
		"a certificate that nobody vouches for": secure.URL,
		"HTTPS of a server that speaks HTTP":    strings.Replace(plain.URL, "http:", "https:", 1),
		"HTTP of a server that speaks HTTPS":    strings.Replace(secure.URL, "https:", "http:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newTestSource(t, url, 64).turbines(t.Context())
			if err == nil || strings.Contains(err.Error(), "attempts") {
				t.Errorf("turbines: got %v, want an error at the first attempt", err)
			}
		})
	}
}
