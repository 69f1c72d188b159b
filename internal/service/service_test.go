package service_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// sourceAPI is a source API with a day of samples; hold, if any, is called before
// samples are answered.
func sourceAPI(t *testing.T, hold func(*http.Request)) string {
	t.Helper()
	return sourceOf(t, pgtest.Source(t), hold)
}

// sourceOf is sourceAPI on a database of the test's.
func sourceOf(t *testing.T, url string, hold func(*http.Request)) string {
	t.Helper()
	if _, err := seed.Run(t.Context(), pgtest.Pool(t, url), seed.Options{Start: day(), Days: 1, Turbines: 1}); err != nil {
		t.Fatal(err)
	}
	pool, err := source.OpenPool(t.Context(), pgtest.As(t, pgtest.API, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	api := source.New(source.Config{Pool: pool, Log: slog.New(slog.DiscardHandler)})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/data" && hold != nil {
			hold(r)
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

func day() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

// start runs a service until the returned function is called, which gives what
// Run returned.
func start(t *testing.T, c service.Config) (*service.Service, func() error) {
	t.Helper()
	c.Workers, c.Log = 1, slog.New(slog.NewTextHandler(t.Output(), nil))
	// The schedule stays out of the way.
	c.Schedule = orchestrator.ScheduleConfig{PartitionStart: new(time.Now().AddDate(1, 0, 0))}
	s, err := service.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := func() error {
		cancel()
		err := <-ended
		ended <- err
		s.Close()
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

func backfill(t *testing.T, s *service.Service) {
	t.Helper()
	if _, err := s.Control().Start(t.Context(), orchestrator.StartRequest{From: day(), To: day()}); err != nil {
		t.Fatal(err)
	}
}

// state is that of the day once it is one of the wanted.
func state(t *testing.T, s *service.Service, wanted ...enum.PartitionState) enum.PartitionState {
	t.Helper()
	return await.Value(t, fmt.Sprintf("the day to be one of %v", wanted), func() (enum.PartitionState, bool) {
		grid, err := s.Control().Grid(t.Context(), day(), day())
		if err != nil {
			t.Fatal(err)
		}
		return grid[0].State, slices.Contains(wanted, grid[0].State)
	})
}

// The listener closes first, and a load under way gets its time to end.
func TestLoadsEnd(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, goOn := make(chan struct{}), make(chan struct{})
	url := sourceAPI(t, func(*http.Request) {
		close(asked)
		<-goOn
	})
	target := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	s, stop := start(t, service.Config{TargetURL: target, SourceURL: url, Listener: ln, Config: orchestrator.Config{SoftStop: time.Minute}})
	backfill(t, s)
	<-asked
	console := "http://" + ln.Addr().String()
	if status, body := get(t, console+"/health"); status != http.StatusOK {
		t.Errorf("health: got %d %s", status, body)
	}
	if status, body := get(t, console+"/river/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("River's pages: got %d %s", status, body)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	await.True(t, "the listener to close", func() bool {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(goOn)
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	var done int
	if err := pgtest.Pool(t, target).QueryRow(t.Context(), "SELECT count(*) FROM partition WHERE outcome = 'done' AND claim_run_id IS NULL").Scan(&done); err != nil || done != 1 {
		t.Errorf("days that are done: got %d, %v, want 1", done, err)
	}
}

// A load that does not end in time is stopped; the next process takes its day.
func TestLoadIsStopped(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	url := sourceAPI(t, func(r *http.Request) {
		select {
		case asked <- struct{}{}:
			<-r.Context().Done()
		default: // the second process, as nobody has taken the first's
		}
	})
	target := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first, stop := start(t, service.Config{TargetURL: target, SourceURL: url, Config: orchestrator.Config{SoftStop: time.Millisecond}})
	backfill(t, first)
	state(t, first, "running")
	await.True(t, "the load to ask for samples", func() bool {
		state(t, first, "running")
		return len(asked) > 0
	})
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	second, _ := start(t, service.Config{TargetURL: target, SourceURL: url})
	state(t, second, "done")
}

// An orchestrator whose target has no tables ends, and its API with it.
func TestNoTables(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := service.Open(t.Context(), service.Config{
		TargetURL: pgtest.Empty(t), SourceURL: "http://127.0.0.1:1", Listener: ln, Config: orchestrator.Config{Workers: 1, Log: slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "`delfos schema apply target`") {
		t.Errorf("Run: got %v, want the way out", err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
