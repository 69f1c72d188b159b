// Package demo runs the whole system in one process and two children: embedded
// PostgreSQL servers for source and target, schemas, ten seeded days of a few turbines
// that differ, the source API, and the orchestrator, through which every day is loaded. In
// the end some late data makes a day stale. It proves to a newcomer that the system works,
// and leaves it there to be tried.
//
//	ports free? ──> servers, schemas, samples ──> APIs ──> days ──> up ──> stopped
//	     └──────────────────┴──────── any fault ───┴────────┴───────┴────────^
//
// However it ends, it returns only after everything that it started has ended.
// What it wrote stays in its folder, and the next demo continues from there.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/schema"
	"github.com/delfos/delfos/server/httpserve"
)

const days = 10

// A Config says where the parts of the demo are.
type Config struct {
	Pair     Pair
	Listener net.Listener     // of the source API; Run closes it
	Console  net.Listener     // of the target API; Run closes it
	Access   httpserve.Access // of the source API
	OpenAPI  []byte
	Metrics  prometheus.Registerer // takes the metrics of all parts
	// Orchestrator is how the orchestrator works, but not on what, nor where it answers.
	Orchestrator service.Config
	Delfos       string    // how a shell calls this program
	FirstDay     time.Time // of the ten, midnight UTC
	Once         bool      // end after the ten days
	Out          io.Writer
	Log          *slog.Logger
	Level        *slog.LevelVar // of Log
}

// Run starts the system and keeps it until ctx ends. A part that ends by itself is an error.
func Run(ctx context.Context, c Config) error {
	// Closed already when it came to serving, which does no harm.
	defer func() { _ = errors.Join(c.Listener.Close(), c.Console.Close()) }()
	for _, cluster := range []Cluster{c.Pair.Source, c.Pair.Target} {
		if err := localpg.CheckPort(ctx, cluster.Server.Port); err != nil {
			return fmt.Errorf("%w, or end Delfos's own pair by `delfos postgres stop` or `docker compose down`, or set %s to a URL with a free port", err, cluster.variable)
		}
	}
	within, fail := context.WithCancelCause(ctx)
	s := &system{Config: c, begun: time.Now(), fail: fail}
	err := s.run(within)
	if fault, ok := errors.AsType[*partError](context.Cause(within)); ok {
		err = fault // whatever else failed, failed because of it
	} else if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("before the system was up: %w", context.Cause(ctx))
	}
	fail(nil)
	s.stop(context.WithoutCancel(ctx))
	return err
}

type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.part + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// holdBack is how long a patient handler waits: a dead part is known by then.
const holdBack = 500 * time.Millisecond

// A patient handler holds warnings and errors back for a moment, and drops them
// if a part of the demo has died meanwhile: they follow from that, and the part's
// end is told once.
type patient struct {
	slog.Handler

	demo context.Context // its cause tells whether a part has died
}

// Handle implements slog.Handler.
func (h patient) Handle(ctx context.Context, r slog.Record) error {
	partDied := func() bool {
		_, died := errors.AsType[*partError](context.Cause(h.demo))
		return died
	}
	switch {
	case partDied():
		return nil
	case r.Level < slog.LevelWarn || h.demo.Err() != nil:
		return h.Handler.Handle(ctx, r)
	}
	r, ctx = r.Clone(), context.WithoutCancel(ctx)
	time.AfterFunc(holdBack, func() {
		if !partDied() {
			_ = h.Handler.Handle(ctx, r)
		}
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (h patient) WithAttrs(attrs []slog.Attr) slog.Handler {
	return patient{h.Handler.WithAttrs(attrs), h.demo}
}

// WithGroup implements slog.Handler.
func (h patient) WithGroup(name string) slog.Handler {
	return patient{h.Handler.WithGroup(name), h.demo}
}

// query is how the clients of the replaced system read the target.
const query = `SELECT d.timestamp, s.name, d.value FROM data d JOIN signal s ON d.signal_id = s.id ` +
	`WHERE d.timestamp >= '2025-01-01' AND d.timestamp < '2025-01-02' ORDER BY d.timestamp, s.name LIMIT 20;`

// say prints a line. That nobody reads any more ends the demo.
func (s *system) say(format string, args ...any) error {
	s.printing.Lock()
	defer s.printing.Unlock()
	if _, err := fmt.Fprintf(s.Out, format+"\n", args...); err != nil {
		return fmt.Errorf("print what is going on: %w", err)
	}
	return nil
}

func (s *system) step(format string, args ...any) error {
	return s.say("%5.1fs  %s", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// guide is what to open and try. Each line works from another shell as it is.
func (s *system) guide(api, console string) string {
	var pages strings.Builder
	for _, page := range [...]struct{ address, what string }{
		{console + "/", "the console: how it stands with everything"},
		{console + "/?view=calendar", "the days: late data made one of them stale"},
		{console + "/?view=day&day=" + s.day(frozenDay).Format(time.DateOnly), fmt.Sprintf("the anemometer of turbine %d is frozen for half of this day", frozen)},
		{console + "/?view=power-curve", fmt.Sprintf("turbine %d is derated to 60 %%", derated)},
		{console + "/?view=energy", fmt.Sprintf("turbine %d has gaps", incomplete)},
		{api + "/docs", "the source API, to try out (/redoc: to read)"},
		{console + "/docs", "the target API, to try out"},
		{console + "/river/", "the queue's own pages"},
	} {
		fmt.Fprintf(&pages, "  %-49s  %s\n", page.address, page.what)
	}
	return fmt.Sprintf(`
Delfos is up after %.1f s. Open in a browser:

%s
Try in another shell:

  curl "%s/data?start=2025-01-01T00:00:00&end=2025-01-01T00:09:59"
  curl "%s/data?start=2025-01-01T12:00:00&end=2025-01-01T12:04:59&variables=wind_speed,power"
  psql %s -c "SELECT count(*), min(timestamp), max(timestamp) FROM data"
  psql %s -c "%s"
  %s etl 2025-01-02
  curl "%s/runs" -H "Content-Type: application/json" -d '{"from":"2025-01-01","to":"2025-01-10"}'
  %s partitions --from 2025-01-01 --to 2025-01-10

Ctrl-C ends it; the data stays in %s/.`,
		time.Since(s.begun).Seconds(), pages.String(), api, api,
		quote(s.source.url), quote(s.target.url), query, s.delfos(api, ""), console, s.delfos("", console), Dir)
}

// delfos is how a shell calls the program on the parts of this demo that are given, and its target.
func (s *system) delfos(api, console string) string {
	var set []string
	for _, v := range []struct{ name, value, usual string }{
		{"SOURCE_API_URL", api, "http://localhost:8000"},
		{"TARGET_API_URL", console, "http://localhost:3000"},
		{"TARGET_DB_URL", s.target.url, "postgres://delfos:delfos@localhost:5434/delfos?sslmode=disable"},
	} {
		if v.value != "" && v.value != v.usual {
			set = append(set, v.name+"="+quote(v.value)+" ")
		}
	}
	return strings.Join(set, "") + s.Delfos
}

// quote protects a word from a POSIX shell.
func quote(word string) string {
	if !strings.ContainsAny(word, "'$`\\!") {
		return `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// The demo's farm, of which the first turbine is as seed makes it.
const (
	turbines   = 4
	derated    = 2
	frozen     = 3
	incomplete = 4
	corrected  = 3

	deratedPower = 1200 // kW, 60 % of rated power
	// The days of what happens to a turbine, counted from the first.
	frozenDay, gapDay, longGapDay, lateDay = 3, 2, 7, 5
)

// day is a day of the demo, counted from the first.
func (s *system) day(n int) time.Time { return s.FirstDay.AddDate(0, 0, n) }

// seedFarm writes the samples of the farm, and returns how many were not there.
func (s *system) seedFarm(ctx context.Context, pool *pgxpool.Pool) (seed.Result, error) {
	seeded, err := seed.Run(ctx, pool, seed.Options{Start: s.FirstDay, Days: days, Turbines: turbines})
	if err != nil {
		return seed.Result{}, err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		db := importdb.New(tx)
		if err := db.DerateTurbine(ctx, importdb.DerateTurbineParams{TurbineID: derated, Start: s.day(0), Stop: s.day(days), Most: deratedPower}); err != nil {
			return err
		}
		morning := s.day(frozenDay).Add(6 * time.Hour)
		if err := db.FreezeWindSpeed(ctx, importdb.FreezeWindSpeedParams{TurbineID: frozen, Start: morning, Stop: morning.Add(12 * time.Hour)}); err != nil {
			return err
		}
		for _, gap := range []struct{ start, stop time.Time }{
			{s.day(gapDay).Add(2 * time.Hour), s.day(gapDay).Add(7 * time.Hour)},
			{s.day(longGapDay).Add(10 * time.Hour), s.day(longGapDay + 1)},
		} {
			removed, err := db.RemoveSamples(ctx, importdb.RemoveSamplesParams{TurbineID: incomplete, Start: gap.start, Stop: gap.stop})
			if err != nil {
				return err
			}
			seeded.Inserted -= removed
		}
		return nil
	})
	if err != nil {
		return seed.Result{}, fmt.Errorf("have the turbines differ: %w", err)
	}
	return seeded, nil
}

// late changes an hour of samples that are loaded, and has the orchestrator see it.
func (s *system) late(ctx context.Context, api *targetclient.Client) error {
	pool, err := pgpool.Open(ctx, s.source.as(schema.ImportRole), pgpool.Options{})
	if err != nil {
		return err
	}
	defer pool.Close()
	noon := s.day(lateDay).Add(12 * time.Hour)
	err = importdb.New(pool).CorrectPower(ctx, importdb.CorrectPowerParams{TurbineID: corrected, Start: noon, Stop: noon.Add(time.Hour), Kilowatts: 1})
	if err != nil {
		return fmt.Errorf("correct samples: %w", err)
	}
	day := targetapi.Day{Time: s.day(lateDay)}
	stale := targetapi.RunRequest{From: day, To: day, Only: new(enum.RunScopeStale), DryRun: new(true)}
	plan, err := apiclient.Ask[targetapi.RunPlan](api.CreateRun(ctx, &targetapi.CreateRunParams{}, stale))
	if err != nil {
		return fmt.Errorf("look for late data: %w", err)
	}
	return s.step("late data: an hour of %s was corrected in the source, %d day is stale", day, plan.Value.Partitions)
}
