package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	mebibyte   = 1 << 20
	readyLimit = 10 * time.Second
	stopLimit  = 5 * time.Second
)

// outcome is what a process left.
type outcome struct {
	seconds float64 // from its start until it was gone
	peak    int64   // bytes resident at most
	stdout  []byte
}

// command runs a program to its end. Its peak is never less than that of this
// process, whose memory the kernel counts to the child before it becomes the
// program.
func command(ctx context.Context, env []string, name string, args ...string) (outcome, error) {
	var stdout bytes.Buffer
	got, err := output(ctx, &stdout, env, name, args...)
	got.stdout = stdout.Bytes()
	return got, err
}

// output is command with the standard output sent elsewhere; nil drops it.
func output(ctx context.Context, stdout io.Writer, env []string, name string, args ...string) (outcome, error) {
	var stderr bytes.Buffer
	cmd := child(ctx, env, name, args...)
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	got := outcome{seconds: time.Since(begun).Seconds(), peak: peakOfEnded(cmd.ProcessState)}
	if err != nil {
		return got, fmt.Errorf("run %s %s: %w: %s", filepath.Base(name), args[0], err, lastOf(stderr.String()))
	}
	return got, nil
}

func child(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// lastOf is the end of what a program said, where the reason stands.
func lastOf(s string) string {
	const most = 400
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-most):]
}

func peakOfEnded(state *os.ProcessState) int64 {
	if state == nil {
		return 0
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss * 1024 // Linux counts in kibibytes
}

// peakOf is the most that a running process has had resident, in bytes; 0
// where the kernel doesn't say.
func peakOf(pid int) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kibibytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kibibytes * 1024
		}
	}
	return 0
}

// api is `delfos serve` on a dataset.
type api struct {
	addr   string   // host:port
	source *url.URL // its database
	cmd    *exec.Cmd
	idle   int64 // peak before the first request for data
}

// serve starts the API and waits until it is ready.
func (b *bench) serve(ctx context.Context, d dataset) (*api, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(b.file("serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the API's log: %w", err)
	}
	defer func() { _ = log.Close() }() // The child has its own.
	source := b.database(d)
	a := &api{addr: addr, source: source, cmd: child(ctx, []string{"SOURCE_DB_URL=" + source.String(), "API_ADDR=" + addr}, b.delfos, "serve")}
	a.cmd.Stderr = log
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the API: %w", err)
	}
	if err := a.await(ctx); err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, errors.Join(err, a.stop(), errors.New(lastOf(string(said))))
	}
	a.idle = peakOf(a.cmd.Process.Pid)
	return a, nil
}

// freeAddr is an address of this machine that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// await returns when the API has reached its database.
func (a *api) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.at("/ready"), http.NoBody)
		if err != nil {
			return fmt.Errorf("ask whether the API is ready: %w", err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the API at %s: %w", a.addr, ctx.Err())
		case <-tick.C:
		}
	}
}

func (a *api) at(path string) string { return "http://" + a.addr + path }

// peak is what the API has had resident at most, so far.
func (a *api) peak() int64 { return peakOf(a.cmd.Process.Pid) }

func (a *api) stop() error {
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the API: %w", err)
	}
	if err := a.cmd.Wait(); err != nil {
		return fmt.Errorf("stop the API: %w", err)
	}
	return nil
}
