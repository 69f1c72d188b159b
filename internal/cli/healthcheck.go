package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/service"
)

// healthTimeout is shorter than a container engine's own, so that the message is ours.
const healthTimeout = 3 * time.Second

// worker is what healthcheck may be asked about beside the servers.
const worker = "worker"

func newHealthcheck(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:   "healthcheck [worker]",
		Short: "Ask whether the server or worker of this container is well",
		Long: `Healthcheck asks /health of the servers that may be in this container, at API_ADDR
and CONSOLE_ADDR, by https where TLS_CERT_FILE is set, and exits 0 when one answers
200, else 1. Of a bare worker, which has no port, it asks the target database whether it has lately given a sign of life.
It stands in for curl in an image that has no shell. The image sets HEALTHCHECK_FROM
to outside: a server is well only if other machines can reach it, so one that listens
at loopback alone is not.`,
		Example: `  delfos healthcheck
  delfos healthcheck worker
  API_ADDR=0.0.0.0:8000 delfos healthcheck`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q", args[1])
			}
			if len(args) == 1 && args[0] != worker {
				return fmt.Errorf("argument is %q: want %s or none", args[0], worker)
			}
			return nil
		},
		ValidArgsFunction: completing(worker),
	}, func(ctx context.Context, c config.Healthcheck, args []string) error {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		if len(args) > 0 {
			return service.CheckWorker(ctx, c.TargetDBURL)
		}
		scheme := "http"
		if c.CertFile != "" {
			scheme = "https"
		}
		return checkServers(ctx, scheme, c.HealthcheckFrom == config.Outside,
			listening{"API_ADDR", c.APIAddr}, listening{"CONSOLE_ADDR", c.ConsoleAddr})
	})
}

type listening struct{ variable, addr string }

// checkServers asks all servers at once; one that answers is enough.
func checkServers(ctx context.Context, scheme string, outside bool, servers ...listening) error {
	answers := make([]error, len(servers))
	var asking sync.WaitGroup
	for i, server := range servers {
		asking.Go(func() {
			addr, err := server.askedAt(outside)
			if err != nil {
				answers[i] = err
				return
			}
			answers[i] = checkHealth(ctx, scheme+"://"+addr+"/health")
		})
	}
	asking.Wait()
	if slices.Contains(answers, nil) {
		return nil
	}
	return errors.Join(answers...)
}

// askedAt is the address to ask a server by; outside, one that other machines can use as well.
func (l listening) askedAt(outside bool) (string, error) {
	host, port, err := net.SplitHostPort(l.addr)
	if err != nil {
		return "", fmt.Errorf("read the address %s: %w", l.addr, err)
	}
	ip := net.ParseIP(host)
	everywhere := host == "" || ip != nil && ip.IsUnspecified()
	switch {
	case !outside && everywhere:
		host = "127.0.0.1"
	case outside && everywhere:
		if host, err = ownAddress(); err != nil {
			return "", err
		}
	case outside && (host == "localhost" || ip != nil && ip.IsLoopback()):
		return "", fmt.Errorf("%s is %s, which nothing outside of this container can reach: set it to 0.0.0.0:%s", l.variable, l.addr, port)
	}
	return net.JoinHostPort(host, port), nil
}

// ownAddress is an address that other machines can use, of version 4 if there is one.
func ownAddress() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("list this machine's addresses: %w", err)
	}
	var found string
	for _, addr := range addrs {
		network, ok := addr.(*net.IPNet)
		if !ok || !network.IP.IsGlobalUnicast() {
			continue
		}
		if network.IP.To4() != nil {
			return network.IP.String(), nil
		}
		if found == "" {
			found = network.IP.String()
		}
	}
	if found == "" {
		return "", errors.New("this container has no address but loopback's, so that nothing outside can reach it")
	}
	return found, nil
}

func checkHealth(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// No proxy: the server is in this container.
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Its certificate is for the name that others ask by; nothing is told to it.
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
	var health targetapi.Health
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil || health.Status != targetapi.Ok {
		return fmt.Errorf("%s answered %s, but not as a server of Delfos: something else listens there", url, resp.Status)
	}
	return nil
}
