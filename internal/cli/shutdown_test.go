package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// Between the order to stop and the drain both servers answer, while /ready says
// that they are about to go; a second signal ends the delay.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		command, path string
		prepare       func(t *testing.T, in *installation) (url string)
	}{
		{"serve", "/turbines", func(t *testing.T, in *installation) string {
			t.Helper()
			in.source = pgtest.Source(t)
			return "http://" + in.api
		}},
		{"orchestrate", "/runs", func(t *testing.T, in *installation) string {
			t.Helper()
			in.target = pgtest.Target(t)
			return "http://" + in.console
		}},
	}
	for _, test := range tests {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t)
			url := test.prepare(t, in)
			dotenv := "SHUTDOWN_DELAY=1h\nSOURCE_API_URL=http://127.0.0.1:1\n"
			if err := os.WriteFile(filepath.Join(in.dir, ".env"), []byte(dotenv), 0o600); err != nil {
				t.Fatal(err)
			}
			p := in.start(t, test.command)
			for status(p, url+"/ready") != http.StatusOK {
				select {
				case <-p.ended:
					t.Fatalf("ended; standard error: %s", p.stderr)
				default:
				}
			}

			p.signal(syscall.SIGTERM)
			ready := http.StatusOK
			for ready == http.StatusOK {
				if got := status(p, url+"/health"); got != http.StatusOK {
					t.Fatalf("/health: got %d after the order to stop, want 200", got)
				}
				ready = status(p, url+"/ready")
			}
			if ready != http.StatusServiceUnavailable {
				t.Errorf("/ready: got %d, want 503", ready)
			}
			for _, path := range []string{"/health", test.path} {
				if got := status(p, url+path); got != http.StatusOK {
					t.Errorf("%s: got %d during the delay, want 200", path, got)
				}
			}

			p.signal(syscall.SIGTERM)
			p.exit(0)
		})
	}
}

func TestShutdownDelayPasses(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	p := in.start(t, "serve", "--shutdown-delay", "1ms")
	for status(p, "http://"+in.api+"/health") != http.StatusOK {
		select {
		case <-p.ended:
			t.Fatalf("ended; standard error: %s", p.stderr)
		default:
		}
	}
	p.signal(syscall.SIGTERM)
	p.exit(0)
}

// status asks over a connection of its own; it is 0 when nobody answers.
func status(p *process, url string) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: limit}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
