//go:build soak

package endtoend_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/test/pgtest"
)

const (
	soakDays     = 8
	soakTurbines = 4
)

// farm is a whole Delfos of real processes: two servers of PostgreSQL, the source API
// behind a gateway, an orchestrator with the target API, and three workers, two of which
// reach the target over a wire that can be cut.
type farm struct {
	system

	binary      string
	env         []string
	clusters    [2]*cluster
	cut         *wire
	processes   []*process
	first, last string
	rand        *rand.Rand
	series      map[string][]int
}

// upTo is a random time.
func (f *farm) upTo(most time.Duration) time.Duration {
	return time.Duration(f.rand.Int64N(int64(most)))
}

func (f *farm) pick(from []*process) *process { return from[f.rand.IntN(len(from))] }

func newFarm(t *testing.T) *farm {
	t.Helper()
	f := &farm{binary: filepath.Join(t.TempDir(), "delfos")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", f.binary, "../../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for i := range f.clusters {
		f.clusters[i] = &cluster{config: localpg.Config{Dir: pgtest.Folder(t), BinDir: os.Getenv("DELFOS_PG_BIN")}}
		f.clusters[i].start(t)
		t.Cleanup(func() { _ = f.clusters[i].server.Stop(context.Background()) })
	}
	sourceURL, targetURL := f.clusters[0].server.URL(), f.clusters[1].server.URL()
	f.source, f.target = pgtest.Pool(t, sourceURL), pgtest.Pool(t, targetURL)
	f.clusters[0].pool, f.clusters[1].pool = f.source, f.target
	today := time.Now().UTC().Truncate(24 * time.Hour)
	f.first, f.last = today.AddDate(0, 0, -soakDays).Format(time.DateOnly), today.AddDate(0, 0, -1).Format(time.DateOnly)

	api, console := freeAddress(t), freeAddress(t)
	f.gateway = newGateway(t, "http://"+api)
	front := httptest.NewUnstartedServer(f.gateway)
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	front.Start()
	t.Cleanup(front.Close)
	var through string
	f.cut, through = newWire(t, targetURL)
	f.env = []string{
		"SOURCE_DB_URL=" + sourceURL, "TARGET_DB_URL=" + targetURL, "SOURCE_API_URL=" + front.URL, "TARGET_API_URL=http://" + console,
		"API_ADDR=" + api, "CONSOLE_ADDR=" + console, "PARTITION_START=" + f.first, "TODAY_EVERY=0",
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LOG_FORMAT=json",
	}
	for _, args := range [][]string{
		{"schema", "apply", "source", "target", "river"},
		{"seed", "--start-date", f.first, "--days", strconv.Itoa(soakDays), "--turbines", strconv.Itoa(soakTurbines)},
	} {
		if out, err := f.delfos(args...); err != nil {
			t.Fatalf("delfos %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	logs := t.ArtifactDir()
	worker := []string{"orchestrate", "--api=false", "--workers", "2"}
	f.processes = []*process{
		{name: "source API", args: []string{"serve"}},
		{name: "orchestrator", args: []string{"orchestrate"}},
		{name: "first worker", args: worker, env: []string{"TARGET_DB_URL=" + through}},
		{name: "second worker", args: worker, env: []string{"TARGET_DB_URL=" + through}},
		{name: "third worker, never killed", args: worker},
	}
	for _, p := range f.processes {
		p.run(t, f, logs)
	}
	return f
}

// delfos runs a command that ends by itself.
func (f *farm) delfos(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if args[0] == "runs" && !slices.Contains(args, "--wait") { // a stopped orchestrator does not answer
		ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, f.binary, args...)
	cmd.Env, cmd.Dir = f.env, filepath.Dir(f.binary)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// process is one of the binary's, which is started again whenever it ends.
type process struct {
	name      string
	args, env []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	ends int
}

func (p *process) run(t *testing.T, f *farm, logs string) {
	t.Helper()
	log, err := os.Create(filepath.Join(logs, strings.ReplaceAll(p.name, " ", "-")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		defer log.Close()
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, f.binary, p.args...)
			cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = append(slices.Clone(f.env), p.env...), filepath.Dir(f.binary), log, log
			if err := cmd.Start(); err != nil {
				t.Errorf("start the %s: %v", p.name, err)
				return
			}
			p.mu.Lock()
			p.cmd = cmd
			p.mu.Unlock()
			_ = cmd.Wait()
			p.mu.Lock()
			p.cmd = nil
			p.ends++
			p.mu.Unlock()
			select { // as RestartSec of systemd
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// signal does nothing to a process that is about to be started again.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

func (p *process) ended() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends
}

// measure is the resident memory in MiB and the number of open files.
func (p *process) measure() (rss, files int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0, 0, false
	}
	proc := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return 0, 0, false
	}
	_, line, found := strings.Cut(string(status), "VmRSS:")
	if !found {
		return 0, 0, false
	}
	kib, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil {
		return 0, 0, false
	}
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	return kib / 1024, len(open), err == nil
}

// cluster is a server of PostgreSQL that comes back at its port.
type cluster struct {
	config localpg.Config
	server *localpg.Server
	pool   *pgxpool.Pool
}

func (c *cluster) start(t *testing.T) {
	t.Helper()
	var faults error
	for range 20 { // sessions of a killed server may be there yet
		server, err := localpg.Start(t.Context(), c.config)
		if err == nil {
			c.server, c.config.Port = server, server.Port()
			return
		}
		faults = errors.Join(faults, err)
	}
	t.Fatal(faults)
}

func (c *cluster) restart(t *testing.T, kill bool) {
	t.Helper()
	if kill {
		if err := syscall.Kill(c.server.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-c.server.Done()
	}
	_ = c.server.Stop(context.Background())
	c.start(t)
	c.pool.Reset()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
