package target

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

const (
	riverPrefix = "/river"
	// maxPrefixes bounds the prefixes of trusted proxies that pages are made for.
	maxPrefixes = 16
)

// RiverUI returns the pages of River, which show its jobs as it knows them, for
// Config.River. What they keep up to date in the background ends with ctx, which
// has to outlive the server.
func RiverUI(ctx context.Context, client *river.Client[pgx.Tx], log *slog.Logger) (http.Handler, error) {
	pages := &riverPages{under: map[string]http.Handler{}, open: func(prefix string) (http.Handler, error) {
		handler, err := riverui.NewHandler(&riverui.HandlerOpts{
			Endpoints: riverui.NewEndpoints(client, nil),
			Logger:    log,
			Prefix:    prefix + riverPrefix,
		})
		if err != nil {
			return nil, fmt.Errorf("make River UI: %w", err)
		}
		if err := handler.Start(ctx); err != nil {
			return nil, fmt.Errorf("start River UI: %w", err)
		}
		return handler, nil
	}}
	_, err := pages.at("")
	return pages, err
}

// riverPages are River's pages under each prefix that a request came by: River
// writes the prefix into them.
type riverPages struct {
	open func(prefix string) (http.Handler, error)

	mu    sync.Mutex
	under map[string]http.Handler
}

func (p *riverPages) at(prefix string) (http.Handler, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if handler, ok := p.under[prefix]; ok {
		return handler, nil
	}
	if len(p.under) == maxPrefixes {
		return nil, fmt.Errorf("River's pages are shown under %d paths already, and are asked for under %q", maxPrefixes, prefix) //nolint:staticcheck // A name.
	}
	handler, err := p.open(prefix)
	if err == nil {
		p.under[prefix] = handler
	}
	return handler, err
}

func (p *riverPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix := httpserve.PathOf(r, "")
	handler, err := p.at(prefix)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	under := r.WithContext(r.Context()) // a copy
	under.URL = &url.URL{Path: prefix + r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		under.URL.RawPath = prefix + r.URL.RawPath
	}
	handler.ServeHTTP(w, under)
}
