package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/server"
)

func newServe(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:   "serve",
		Short: "Serve the source API",
		Long: `Serve answers for the source database over HTTP until it is stopped: /data,
/turbines, /docs and the rest of openapi.yaml. It starts without the database,
which /ready asks for, and lets the requests that it has taken finish when it is
told to stop.`,
		Example: `  delfos serve
  API_ADDR=0.0.0.0:8000 delfos serve`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(ctx context.Context, c config.Serve, _ []string) error {
		return r.serve(ctx, c)
	})
}

func (r *runner) serve(ctx context.Context, c config.Serve) error {
	ln, err := listen(ctx, "API_ADDR", c.APIAddr)
	if err != nil {
		return err
	}
	// Closed already when it came to serving, which does no harm.
	defer func() { _ = ln.Close() }()
	pool, err := server.OpenPool(ctx, c.SourceDBURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	r.log.InfoContext(ctx, "serving the source API", "addr", ln.Addr().String(), "database", config.Redact(c.SourceDBURL))
	handler := server.New(server.Config{Pool: pool, Log: r.log, OpenAPI: r.OpenAPI, Access: c.At(c.APIAddr)})
	if err := server.Serve(ctx, ln, handler, httpserve.Options{Log: r.log}); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "stopped")
	return nil
}

// listen opens the address that a variable names; the error says what to do
// about it.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is taken: stop what listens there, or set %s to a free one, such as 127.0.0.1:8080", addr, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", variable, err)
	}
	return ln, nil
}
