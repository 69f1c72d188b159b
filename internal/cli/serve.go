package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

func newServe(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:   "serve",
		Short: "Serve the source API",
		Long: `Serve answers for the source database over HTTP until it is stopped: /data,
/turbines, /docs and the rest of openapi.yaml. It starts without the database,
which /ready asks for, and lets the requests that it has taken finish when it is
told to stop. With SHUTDOWN_DELAY it first goes on for that long, while /ready
answers 503; a second signal ends the delay.`,
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
	pool, err := source.OpenPool(ctx, c.SourceDBURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	r.log.InfoContext(ctx, "serving the source API", "addr", ln.Addr().String(), "database", config.Redact(c.SourceDBURL))
	handler := source.New(source.Config{Pool: pool, Log: r.log, OpenAPI: r.OpenAPI, Access: c.At(c.APIAddr)})
	serving, stop := r.linger(ctx, c.ShutdownDelay.Time())
	defer stop()
	if err := source.Serve(serving, ln, handler, httpserve.Options{Log: r.log, Leaving: ctx.Done()}); err != nil {
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

// linger returns a context that ends delay after ctx has, or at the next signal,
// so that those who send requests can take notice of /ready first.
func (r *runner) linger(ctx context.Context, delay time.Duration) (context.Context, context.CancelFunc) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		defer stop()
		if delay == 0 {
			return
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, endings()...)
		defer signal.Stop(again)
		r.log.InfoContext(ctx, "told to stop: not ready any more, answering for a while yet", "delay", delay)
		select {
		case <-time.After(delay):
		case <-again:
		case <-serving.Done():
		}
	})
	return serving, func() {
		unhook()
		stop()
	}
}
