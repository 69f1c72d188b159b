package upgrade_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/cli"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// former is a pair of databases of release 0.1.0, and today's servers on it.
type former struct {
	sourceURL, targetURL string // of the databases
	source, target       *pgxpool.Pool
	api, console         apitest.Client
}

func setup(t *testing.T) *former {
	t.Helper()
	f := &former{sourceURL: pgtest.Empty(t), targetURL: pgtest.Empty(t)}
	f.source, f.target = pgtest.Pool(t, f.sourceURL), pgtest.Pool(t, f.targetURL)
	for name, pool := range map[string]*pgxpool.Pool{"source.sql": f.source, "target.sql": f.target} {
		if _, err := pool.Exec(t.Context(), testdata(t, name), pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return f
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serve starts today's servers.
func (f *former) serve(t *testing.T) {
	t.Helper()
	log := new(apitest.Log).Logger()
	pool, err := source.OpenPool(t.Context(), f.sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	api, console := listen(t), listen(t)
	f.api = apitest.Client{TB: t, URL: "http://" + api.Addr().String()}
	f.console = apitest.Client{TB: t, URL: "http://" + console.Addr().String()}
	run(t, func(ctx context.Context) error {
		return httpserve.Serve(ctx, api, source.New(source.Config{Pool: pool, Log: log, ReadyFor: time.Nanosecond}), httpserve.Options{Log: log})
	})

	s, err := service.Open(t.Context(), service.Config{
		TargetURL: f.targetURL, SourceURL: f.api.URL, Listener: console,
		// Runs stay, and no day is due.
		Config: orchestrator.Config{Log: log, Schedule: orchestrator.ScheduleConfig{PartitionStart: new(time.Now().AddDate(1, 0, 0))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	run(t, s.Run)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// run runs a server until the test ends.
func run(t *testing.T, server func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// program runs a line of the command line; said gets each line of its log as it comes.
func (f *former) program(t *testing.T, line string, said func(string)) (code int, stdout, stderr string) {
	t.Helper()
	args, ok := strings.CutPrefix(line, "delfos ")
	if !ok {
		t.Fatalf("%q is not a line of delfos", line)
	}
	var out bytes.Buffer
	log := &listener{t: t, said: said}
	code = cli.Main(t.Context(), cli.Program{
		Path: "delfos", Args: strings.Fields(args), Stdin: strings.NewReader(""), Stdout: &out, Stderr: log,
		Environ: []string{
			"SOURCE_DB_URL=" + f.sourceURL, "TARGET_DB_URL=" + f.targetURL, "SOURCE_API_URL=" + f.api.URL, "TARGET_API_URL=" + f.console.URL,
			"CONSOLE_ADDR=127.0.0.1:0", "API_ADDR=127.0.0.1:0",
		},
	})
	return code, out.String(), log.text.String()
}

// done is program for a line that must end well.
func (f *former) done(t *testing.T, line string) (stdout string) {
	t.Helper()
	code, stdout, stderr := f.program(t, line, nil)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s%s", line, code, stdout, stderr)
	}
	return stdout
}

type listener struct {
	t    *testing.T
	said func(string)
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said != nil {
		l.said(string(p))
	}
	l.t.Logf("%s", p)
	return l.text.Write(p)
}

// readers ask again and again, until they are told to end.
type readers struct {
	group sync.WaitGroup
	stop  chan struct{}
}

func newReaders() *readers { return &readers{stop: make(chan struct{})} }

// each has a reader of its own do what may not fail.
func (r *readers) each(t *testing.T, name string, read func() error) {
	t.Helper()
	r.group.Go(func() {
		for n := 0; ; n++ {
			if err := read(); err != nil {
				t.Errorf("%s, after %d times: %v", name, n, err)
				return
			}
			select {
			case <-r.stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

func (r *readers) end() {
	close(r.stop)
	r.group.Wait()
}

// paths are what the readers of both APIs ask for; those of the ledger, which is written
// anew by the upgrade, ask afterwards alone: docs/versions.md says why.
func (f *former) paths(ledger bool) map[string]string {
	paths := map[string]string{}
	for _, path := range []string{
		"/data?start=2025-01-01&end=2025-01-03&turbines=all", "/data/digest?start=2025-01-01&end=2025-01-03", "/data/changes",
		"/turbines", "/turbines?span=true", "/ready",
	} {
		paths["source "+path] = f.api.URL + path
	}
	ofTarget := []string{"/windows?start=2025-01-01&end=2025-01-03", "/signals", "/flags?start=2025-01-01&end=2025-01-03", "/schedule", "/ready"}
	if ledger {
		const days = "?from=2025-01-01&to=2025-01-09"
		ofTarget = append(ofTarget, "/partitions"+days, "/revisions"+days, "/checks"+days, "/runs", "/runs/6", "/runs/1/log", "/status")
	}
	for _, path := range ofTarget {
		paths["target "+path] = f.console.URL + path
	}
	return paths
}

// client asks over connections of its own.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
