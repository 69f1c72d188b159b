package judge_test

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/test/servetest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
	"github.com/delfos/delfos/server/target"
)

// serve runs both servers on three loaded days of two turbines; the target's
// orchestrator works on nothing, so that runs wait.
func serve(t *testing.T) (sourceURL, targetURL string) {
	t.Helper()
	log := new(apitest.Log).Logger()
	text, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	database := pgtest.Source(t)
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := seed.Run(t.Context(), pgtest.Pool(t, database), seed.Options{Start: first, Days: 3, Turbines: 2}); err != nil {
		t.Fatal(err)
	}
	samples, err := source.OpenPool(t.Context(), pgtest.As(t, pgtest.API, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(samples.Close)
	sourceURL = listen(t, source.New(source.Config{Pool: samples, Log: log, OpenAPI: text}))

	database = pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	o, job := servetest.Idle(t, database, sourceURL, log)
	if _, err := job.Run(t.Context(), etl.Request{From: first, To: first.AddDate(0, 0, 2), Turbines: selector.All()}); err != nil {
		t.Fatal(err)
	}
	windows, err := target.OpenPool(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(windows.Close)
	stop, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	targetURL = listen(t, target.New(target.Config{Control: o.Control(), Pool: windows, Log: log, OpenAPI: text, Stop: stop.Done()}))
	return sourceURL, targetURL
}

// listen answers on a port of its own until the test ends.
func listen(t *testing.T, handler http.Handler) string {
	t.Helper()
	return servetest.Serve(t, handler, httpserve.Options{DrainTimeout: time.Millisecond})
}

// contract is the set of operations of openapi.yaml.
func contract(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, item := range whole.Paths {
		for _, o := range item {
			if described, ok := o.(map[string]any); ok {
				if id, ok := described["operationId"].(string); ok {
					all[id] = true
				}
			}
		}
	}
	return all
}
