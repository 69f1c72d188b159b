package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/cli"
	"github.com/delfos/delfos/internal/test/pgtest"
)

const (
	workerDays  = "DELFOS_TEST_WORKER_DAYS"
	workerLease = "DELFOS_TEST_WORKER_LEASE"
	// orchestratorWorkers makes the process a bare orchestrator.
	orchestratorWorkers = "DELFOS_TEST_ORCHESTRATOR_WORKERS"
	// program makes the process delfos itself.
	program = "DELFOS_TEST_PROGRAM"
)

// TestMain runs the tests, or is a worker for one of them: a process of its
// own that can be killed and stopped.
func TestMain(m *testing.M) {
	if os.Getenv(program) != "" {
		os.Exit(cli.Main(context.Background(), cli.Program{
			Path: os.Args[0], Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		}))
	}
	if workers := os.Getenv(orchestratorWorkers); workers != "" {
		if err := orchestrate(workers); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if days := os.Getenv(workerDays); days != "" {
		if err := work(days); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pgtest.Main(m)
}

func work(days string) error {
	n, err := strconv.Atoi(days)
	if err != nil {
		return err
	}
	job, _, err := processJob(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	_, err = job.Run(context.Background(), request(n))
	return err
}

// processJob is the job of a process of its own, which ends with it.
func processJob(log *slog.Logger) (job *etl.Job, lease time.Duration, err error) {
	if lease, err = time.ParseDuration(os.Getenv(workerLease)); err != nil {
		return nil, 0, err
	}
	pool, err := etl.OpenTarget(context.Background(), os.Getenv("TARGET_DB_URL"))
	if err != nil {
		return nil, 0, err
	}
	job, err = etl.New(context.Background(), etl.Config{
		Target: pool, SourceURL: os.Getenv("SOURCE_API_URL"), Retry: fast(), Lease: lease, Group: 2, Log: log,
	})
	return job, lease, err
}

// orchestrate works on the queue until the process is told to end.
func orchestrate(workers string) error {
	n, err := strconv.Atoi(workers)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	job, lease, err := processJob(log)
	if err != nil {
		return err
	}
	control, err := orchestrator.OpenControl(ctx, os.Getenv("TARGET_DB_URL"))
	if err != nil {
		return err
	}
	o, err := orchestrator.New(orchestrator.Config{
		Target: control, Job: job, Workers: n, Lease: lease, Log: log, SoftStop: time.Second,
		// Before any seeded day: the schedule stays out of the way.
		Now: func() time.Time { return date("2024-01-01") },
	})
	if err != nil {
		return err
	}
	return o.Run(ctx)
}

// worker is another process that runs the days from 2025-01-01 on.
type worker struct {
	*exec.Cmd

	t *testing.T
}

func (s *system) worker(t *testing.T, days int, lease time.Duration) *worker {
	t.Helper()
	return s.process(t, workerDays, days, lease, s.targetURL)
}

// process is this program again, as what variable makes of it.
func (s *system) process(t *testing.T, variable string, n int, lease time.Duration, targetURL string) *worker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(),
		variable+"="+strconv.Itoa(n), workerLease+"="+lease.String(),
		"TARGET_DB_URL="+targetURL, "SOURCE_API_URL="+s.apiURL)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &worker{cmd, t}
}

func (w *worker) signal(sig syscall.Signal) {
	w.t.Helper()
	if err := w.Process.Signal(sig); err != nil {
		w.t.Fatalf("signal %v: %v", sig, err)
	}
}
