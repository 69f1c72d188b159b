//go:build browser

package browser_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// system is a whole Delfos: two databases, and the programs that serve the source
// and orchestrate, with a gateway between them. Nothing is loaded but what a test
// asks for.
type system struct {
	source, target *pgxpool.Pool
	gateway        *gateway
	env            []string
	dir            string // where there is no .env
	samples        string // SOURCE_DB_URL of who writes them
	orchestrator   *process
	url            string // of the console
}

func setup(t *testing.T, env ...string) *system {
	t.Helper()
	sourceURL, targetURL := pgtest.Source(t), pgtest.Target(t)
	s := &system{
		source: pgtest.Pool(t, sourceURL), target: pgtest.Pool(t, targetURL), dir: t.TempDir(),
		samples: "SOURCE_DB_URL=" + pgtest.As(t, pgtest.Import, sourceURL),
		env: append([]string{
			"PATH=" + os.Getenv("PATH"), "SOURCE_DB_URL=" + pgtest.As(t, pgtest.API, sourceURL), "TARGET_DB_URL=" + pgtest.As(t, pgtest.ETL, targetURL), "LOG_FORMAT=json",
			"API_ADDR=127.0.0.1:0", "CONSOLE_ADDR=127.0.0.1:0",
			// What the tests do not ask for stays out of the way.
			"CATCH_UP_DAYS=1", "STALE_DAYS=0", "TODAY_EVERY=0",
		}, env...),
	}
	s.gateway = newGateway(t, s.start(t, "serve").url)
	s.env = append(s.env, "SOURCE_API_URL="+s.gateway.url)
	return s
}

// seed makes the samples of days from 2025-01-01 on.
func (s *system) seed(t *testing.T, days, turbines int) {
	t.Helper()
	cmd := s.command(t, "seed", "--start-date", "2025-01-01", "--days", strconv.Itoa(days), "--turbines", strconv.Itoa(turbines))
	cmd.Env = append(cmd.Env, s.samples)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("seed: %v\n%s", err, out)
	}
}

// done notes so many days to 2025-01-05 as loaded, but for some, and some of them as stale.
func (s *system) done(t *testing.T, days int) {
	t.Helper()
	pgtest.Exec(t, s.target, "INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '2025-01-06'::date - $1::integer, '2025-01-05')", days)
	pgtest.Exec(t, s.target, `
		INSERT INTO partition (day, token, run_id, outcome, attempt, started_at, finished_at, inserted, updated, deleted,
			samples, expected, windows, rows, rows_most, loaded_at, source_digest, source_digest_seen, target_digest)
		SELECT '2025-01-06'::date - $1 + n, 1, 1, 'done', 1, at, at + interval '0.2 s', 2160, 0, 0, 1440 - n % 3, 1440, 144, 2160, 2160, at, n,
			CASE WHEN n % 97 = 0 THEN n + 1 ELSE n END, n
		FROM generate_series(0, $1::integer - 1) AS n CROSS JOIN LATERAL (SELECT '2025-01-01Z'::timestamptz + n * interval '1 s' AS at) AS t
		WHERE n % 50 <> 7`, days)
	pgtest.Exec(t, s.target, "ANALYZE")
}

// orchestrate starts the orchestrator, at the address where it was before.
func (s *system) orchestrate(t *testing.T) {
	t.Helper()
	s.orchestrator = s.start(t, "orchestrate")
	s.url = s.orchestrator.url
	s.env = append(s.env, "CONSOLE_ADDR="+s.url[len("http://"):])
}

// run runs the program to its end.
func (s *system) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := s.command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("delfos %v: %v\n%s", args, err, out)
	}
}

func (s *system) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs(program)
	must(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// A process is a server that runs beside the test.
type process struct {
	*exec.Cmd

	url  string
	stop func()
}

// start starts a server, or a bare worker, and waits for the line of its log that says
// that it works, and where it answers.
func (s *system) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: s.command(t, args...)}
	stderr, err := p.StderrPipe()
	must(t, err)
	must(t, p.Start())
	addr, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(addr)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct {
				Level   string `json:"level"`
				Message string `json:"msg"`
				Addr    string `json:"addr"`
			}
			if json.Unmarshal(lines.Bytes(), &line) != nil || line.Level != "INFO" {
				fmt.Fprintln(t.Output(), lines.Text())
			}
			if line.Addr != "" || line.Message == "working" {
				select {
				case addr <- line.Addr:
				default:
				}
			}
		}
	}()
	p.stop = sync.OnceFunc(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Process.Signal(syscall.SIGCONT) // if a test has stopped it
		<-ended
		if err := p.Wait(); err != nil {
			t.Errorf("delfos %v: %v", args, err)
		}
	})
	t.Cleanup(p.stop)
	at, ok := <-addr
	if !ok {
		t.Fatalf("delfos %v ended before it answered", args)
	}
	p.url = "http://" + at
	return p
}

// A gateway stands before the source API. It can hold back samples, so that days are
// in work as long as a test wants, and be away.
type gateway struct {
	url string

	mu   sync.Mutex
	open chan struct{} // closed while samples pass
	away bool
}

func newGateway(t *testing.T, api string) *gateway {
	t.Helper()
	to, err := url.Parse(api)
	must(t, err)
	g := &gateway{open: make(chan struct{})}
	close(g.open)
	proxy := httputil.NewSingleHostReverseProxy(to)
	transport := &http.Transport{DisableCompression: true}
	proxy.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		open, away := g.open, g.away
		g.mu.Unlock()
		if away {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/data" {
			select {
			case <-open:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	g.url = front.URL
	return g
}

// hold holds samples back until the returned function is called.
func (g *gateway) hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	open := make(chan struct{})
	g.open = open
	return sync.OnceFunc(func() { close(open) })
}

func (g *gateway) setAway(away bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = away
}
