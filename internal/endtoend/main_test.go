package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/pgtest"
)

const (
	workerDays  = "DELFOS_TEST_WORKER_DAYS"
	workerLease = "DELFOS_TEST_WORKER_LEASE"
)

// TestMain runs the tests, or is a worker for one of them: a process of its
// own that can be killed and stopped.
func TestMain(m *testing.M) {
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
	lease, err := time.ParseDuration(os.Getenv(workerLease))
	if err != nil {
		return err
	}
	pool, err := etl.OpenTarget(context.Background(), os.Getenv("TARGET_DB_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	job, err := etl.New(context.Background(), etl.Config{
		Target: pool, SourceURL: os.Getenv("SOURCE_API_URL"), Retry: fast(), Lease: lease, Group: 2,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	_, err = job.Run(context.Background(), request(n))
	return err
}

// worker is another process that runs the days from 2025-01-01 on.
type worker struct {
	*exec.Cmd

	t *testing.T
}

func (s *system) worker(t *testing.T, days int, lease time.Duration) *worker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(),
		workerDays+"="+strconv.Itoa(days), workerLease+"="+lease.String(),
		"TARGET_DB_URL="+s.targetURL, "SOURCE_API_URL="+s.apiURL)
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
