package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
)

// healthTimeout is shorter than a container engine's own, so that the message
// is ours.
const healthTimeout = 3 * time.Second

func newHealthcheck(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask whether the server of this container answers",
		Long: `Healthcheck asks /health of the server that listens on API_ADDR and exits 0 when
it answers 200, else 1. It stands in for curl in an image that has no shell.`,
		Example: `  delfos healthcheck
  API_ADDR=0.0.0.0:8000 delfos healthcheck`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(ctx context.Context, c config.Healthcheck, _ []string) error {
		return checkHealth(ctx, c.APIAddr)
	})
}

// checkHealth asks the server that listens on addr from the same machine.
func checkHealth(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read API_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, port) + "/health"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// No proxy: the server is in this container.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer from %s within %s", url, healthTimeout)
		}
		return fmt.Errorf("ask whether the server is up: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s, want 200 OK", url, resp.Status)
	}
	return nil
}
