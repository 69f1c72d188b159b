package cli

import (
	"context"
	"net"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/service"
)

func newOrchestrate(r *runner) *cobra.Command {
	var (
		workers int
		withAPI bool
	)
	cmd := &cobra.Command{
		Use:   "orchestrate",
		Short: "Work on what is queued and due, and serve the target API",
		Long: `Orchestrate loads the days that are asked for over the target API, those that are due
by the schedule, and those that changed at the source since. It serves the target
API, its pages and the queue's (/docs, /river/) on CONSOLE_ADDR, and applies the
queue's own migrations to the target by itself.

Any number of processes may work on one target: one with the API, more as bare
workers by --api=false. When it is told to stop, loads under way get a few seconds
to end; what has not ended goes back to the queue, and its day stays as it was. With
SHUTDOWN_DELAY an orchestrator with the API first goes on for that long, while /ready
answers 503; a second signal ends the delay.`,
		Example: `  delfos orchestrate
  delfos orchestrate --workers 4 --api=false
  SCHEDULE="CRON_TZ=Europe/Lisbon 0 1 * * *" delfos orchestrate`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&workers, "workers", 0, "how many days to work on at once; 0 is one a processor")
	cmd.Flags().BoolVar(&withAPI, "api", true, "serve the target API; false makes a bare worker")
	return configure(r, cmd, func(ctx context.Context, c config.Orchestrate, _ []string) error {
		if workers < 0 || workers > service.MaxWorkers {
			return usagef(cmd, "--workers is %d: want 0 to %d", workers, service.MaxWorkers)
		}
		if workers == 0 {
			workers = defaultWorkers()
		}
		schedule, err := scheduleOf(c.Schedule, c.SourceRetention)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		var ln net.Listener
		var delay time.Duration // a bare worker has no clients
		if withAPI {
			delay = c.ShutdownDelay.Time()
			if ln, err = listen(ctx, "CONSOLE_ADDR", c.ConsoleAddr); err != nil {
				return err
			}
			// Closed already when it came to serving, which does no harm.
			defer func() { _ = ln.Close() }()
		}
		return r.orchestrate(ctx, delay, service.Config{
			TargetURL: c.TargetDBURL, SourceURL: c.SourceAPIURL, Workers: workers, Schedule: schedule,
			RunRetention: c.Runs(), JobRetention: c.Jobs(), Listener: ln, Access: c.At(c.ConsoleAddr), OpenAPI: r.OpenAPI, Log: r.log,
		})
	})
}

func (r *runner) orchestrate(ctx context.Context, delay time.Duration, c service.Config) error {
	c.Leaving = ctx.Done()
	s, err := service.Open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	working, stop := r.linger(ctx, delay)
	defer stop()
	if err := s.Run(working); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "stopped")
	return nil
}

// defaultWorkers is a day at once for each processor.
func defaultWorkers() int { return min(runtime.NumCPU(), service.MaxWorkers) }

// scheduleOf is the schedule that the configuration asks for; the error is of
// SCHEDULE, as the other variables are validated already.
func scheduleOf(c config.Schedule, source config.SourceRetention) (orchestrator.ScheduleConfig, error) {
	if _, err := orchestrator.ParseCron(c.Cron); err != nil {
		return orchestrator.ScheduleConfig{}, err
	}
	return orchestrator.ScheduleConfig{
		Cron: c.Cron, CatchUpDays: c.CatchUpDays.Int(), StaleDays: c.StaleDays.Int(), PartitionStart: c.PartitionStart.Time(),
		SourceRetention: etl.Retention(source.SourceRetentionDays.Int()),
	}, nil
}
