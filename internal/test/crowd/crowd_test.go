//go:build soak

package crowd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/test/servetest"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/target"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	clients, times = 500, 4 // and how often each asks
	followers      = 1000
	sessions       = 10
	// mostHeap is what a crowd may take, its clients in the same process included, and keptHeap what may be left of it.
	mostHeap, keptHeap = 512 << 20, 64 << 20
)

// A crowd gets answers, 429 or 503 with Retry-After, and takes memory that it gives back. It is
// once a crowd of as many clients, as without limits of each, and once a single one.
//
//nolint:tparallel // Goroutines and memory are counted: one after the other.
func TestCrowd(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]auth.Limit{"many clients": {}, "one client": {Requests: 256, Followers: 512}} {
		t.Run(name, func(t *testing.T) {
			url, transport := serve(t, limit), &http.Transport{MaxIdleConnsPerHost: clients}
			c := crowd{t, url, &http.Client{Transport: transport}}
			alone := c.ask()
			transport.CloseIdleConnections()
			heap, goroutines := heapInUse(), runtime.NumGoroutine()

			following, stop := context.WithCancel(t.Context())
			var left sync.WaitGroup
			followed := c.follow(following, &left)
			asked, slowest := c.askAll()
			most := heapInUse()
			stop()
			left.Wait()

			await.True(t, "the goroutines of the crowd end", func() bool {
				transport.CloseIdleConnections() // one may become idle late
				return runtime.NumGoroutine() <= goroutines+10
			})
			kept := heapInUse()
			t.Logf("%s: followers %v, requests %v; slowest answer %s, alone %s before and %s after; heap %d MiB, then %d, then %d",
				name, followed, asked, slowest.Round(time.Millisecond), alone.Round(time.Millisecond), c.ask().Round(time.Millisecond), heap>>20, most>>20, kept>>20)
			want := followers
			if limit.Followers > 0 {
				want = limit.Followers
			}
			if followed[http.StatusOK] != want {
				t.Errorf("%d followers are served, want %d", followed[http.StatusOK], want)
			}
			if asked[http.StatusOK] == 0 {
				t.Error("nobody had an answer")
			}
			if most > heap+mostHeap || kept > heap+keptHeap {
				t.Errorf("the crowd took %d bytes and left %d", most-heap, kept-heap)
			}
		})
	}
}

// heapInUse is how many bytes are in use once the garbage is gone.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// crowd asks the server at a URL.
type crowd struct {
	t      *testing.T
	url    string
	client *http.Client
}

// get opens an answer, which has to be one that a crowd may get.
func (c crowd) get(ctx context.Context, path string) *http.Response {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		c.t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Errorf("GET %s: %v", path, err)
		return &http.Response{Body: http.NoBody}
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if response.Header.Get("Retry-After") == "" {
			c.t.Errorf("GET %s: %s without Retry-After", path, response.Status)
		}
	default:
		c.t.Errorf("GET %s: %s", path, response.Status)
	}
	return response
}

// ask asks once, alone, and returns how long the answer took.
func (c crowd) ask() time.Duration {
	c.t.Helper()
	begun := time.Now()
	if status := c.read(); status != http.StatusOK {
		c.t.Errorf("a client alone got %d", status)
	}
	return time.Since(begun)
}

func (c crowd) read() (status int) {
	response := c.get(c.t.Context(), "/partitions?from=2025-01-01&to=2025-12-31")
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		c.t.Errorf("read an answer: %v", err)
	}
	return response.StatusCode
}

// askAll has all clients ask, each one question after another, and counts the answers by status.
func (c crowd) askAll() (statuses map[int]int, slowest time.Duration) {
	var mu sync.Mutex
	var took []time.Duration
	var asking sync.WaitGroup
	statuses = map[int]int{}
	for range clients {
		asking.Go(func() {
			for range times {
				begun := time.Now()
				status := c.read()
				mu.Lock()
				statuses[status]++
				took = append(took, time.Since(begun))
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	return statuses, slices.Max(took)
}

// follow opens streams of events, which go on until ctx ends, and counts how they began.
func (c crowd) follow(ctx context.Context, left *sync.WaitGroup) map[int]int {
	var mu sync.Mutex
	var begun sync.WaitGroup
	statuses := map[int]int{}
	begun.Add(followers)
	for range followers {
		left.Go(func() {
			response := c.get(ctx, "/events")
			defer response.Body.Close()
			if response.StatusCode == http.StatusOK {
				if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry: ") {
					c.t.Errorf("a stream begins with %q, %v", line, err)
				}
			}
			mu.Lock()
			statuses[response.StatusCode]++
			mu.Unlock()
			begun.Done()
			if response.StatusCode == http.StatusOK {
				<-ctx.Done()
			}
		})
	}
	begun.Wait()
	return statuses
}

// serve serves the target API on a pool of few sessions.
func serve(t *testing.T, limit auth.Limit) (url string) {
	t.Helper()
	database, log := pgtest.Target(t), new(apitest.Log).Logger()
	bounded := database + "?"
	if strings.Contains(database, "?") {
		bounded = database + "&"
	}
	pool, err := target.OpenPool(t.Context(), fmt.Sprintf("%spool_max_conns=%d", bounded, sessions))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o, _ := servetest.Idle(t, database, "http://127.0.0.1:1", log)
	stop := make(chan struct{})
	url = servetest.Serve(t, target.New(target.Config{Control: o.Control(), Pool: pool, Log: log, Limit: limit, Stop: stop}), httpserve.Options{Log: log})
	t.Cleanup(func() { close(stop) })
	return url
}
