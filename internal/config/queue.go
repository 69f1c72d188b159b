package config

import (
	"strconv"
	"time"

	"github.com/delfos/delfos/internal/dates"
)

// Console says where the target API and the console listen.
type Console struct {
	ConsoleAddr string `env:"CONSOLE_ADDR" envDefault:"127.0.0.1:3000" help:"address of the target API and the console" kind:"HOST:PORT"`
}

func (c Console) faults() []Fault {
	return address("CONSOLE_ADDR", c.ConsoleAddr, "127.0.0.1:3000, or :3000 for every address")
}

// Schedule says what the orchestrator loads by itself.
type Schedule struct {
	// Cron is validated where it is used, which knows what an expression means.
	Cron string `env:"SCHEDULE" envDefault:"0 1 * * *" help:"when days are due, as cron has it, in UTC unless CRON_TZ=ZONE stands before it" kind:"CRON"`

	CatchUpDays Number `env:"CATCH_UP_DAYS" envDefault:"7" help:"for how many days a missed day is still caught up with" kind:"N"`

	StaleDays Number `env:"STALE_DAYS" envDefault:"30" help:"how many past days are followed for late data; 0 is none" kind:"N"`

	PartitionStart Day `env:"PARTITION_START" help:"first day that counts; without it the day of the first sample" kind:"DATE"`
}

// SourceRetention says how long the source keeps its samples.
type SourceRetention struct {
	SourceRetentionDays Number `env:"SOURCE_RETENTION_DAYS" envDefault:"0" help:"for how many past days the source is believed, as one that purges its samples; 0 is for ever" kind:"N"`
}

func (c SourceRetention) faults() []Fault {
	return c.SourceRetentionDays.faults("SOURCE_RETENTION_DAYS", 0)
}

// maxDays is the most that a number of days may be, as over HTTP.
const maxDays = 20_000

func (c Schedule) faults() []Fault {
	return append(append(
		c.CatchUpDays.faults("CATCH_UP_DAYS", 1),
		c.StaleDays.faults("STALE_DAYS", 0)...),
		c.PartitionStart.faults("PARTITION_START")...)
}

// Retention says what of the past is kept.
type Retention struct {
	RunRetentionDays Number `env:"RUN_RETENTION_DAYS" envDefault:"400" help:"how many days runs and their logs are kept; 0 is for ever" kind:"N"`

	JobRetentionDays Number `env:"JOB_RETENTION_DAYS" envDefault:"7" help:"how many days the queue keeps jobs that have ended" kind:"N"`
}

func (c Retention) faults() []Fault {
	return append(
		c.RunRetentionDays.faults("RUN_RETENTION_DAYS", 0),
		c.JobRetentionDays.faults("JOB_RETENTION_DAYS", 1)...)
}

// Runs is how long runs are kept; 0 is for ever.
func (c Retention) Runs() time.Duration { return days(c.RunRetentionDays) }

// Jobs is how long jobs are kept.
func (c Retention) Jobs() time.Duration { return days(c.JobRetentionDays) }

func days(n Number) time.Duration { return time.Duration(n.Int()) * 24 * time.Hour }

// A Number is a whole number as it was given: text, so that what is no number
// is a fault like any other.
type Number string

// Int is the number; 0 of what Validate refuses.
func (n Number) Int() int {
	i, err := strconv.Atoi(string(n))
	if err != nil {
		return 0
	}
	return i
}

// faults holds a number of days to its bounds.
func (n Number) faults(variable string, least int) []Fault {
	if i, err := strconv.Atoi(string(n)); err == nil && i >= least && i <= maxDays {
		return nil
	}
	return []Fault{{Variable: variable, Value: string(n), Want: "a whole number from " + strconv.Itoa(least) + " to " + strconv.Itoa(maxDays)}}
}

// A Day is a day in UTC as it was given; it may be none.
type Day string

// Time is the day's midnight; nil if there is none, and of what Validate refuses.
func (d Day) Time() *time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return nil
	}
	return &t
}

func (d Day) faults(variable string) []Fault {
	if day := d.Time(); d == "" || day != nil && !day.Before(dates.Earliest()) {
		return nil
	}
	return []Fault{{Variable: variable, Value: string(d), Want: "a day such as 2025-01-31, not before " + dates.Earliest().Format(time.DateOnly)}}
}
