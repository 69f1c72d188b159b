package orchestrator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Zones by name, also where the system has no database of them.

	"github.com/robfig/cron/v3"

	"github.com/delfos/delfos/internal/dates"
)

const (
	// DefaultCron loads a day an hour after its end.
	DefaultCron = "0 1 * * *"

	wantCron = "five fields (minute, hour, day, month, weekday from 0 to 7, both Sunday) such as 0 1 * * *, or one of " +
		"@hourly, @daily, @weekly, @monthly, @yearly and @every with a duration such as @every 6h; " +
		"UTC, unless CRON_TZ= and a zone such as Europe/Lisbon stand before it"
)

// Cron says at which instants a schedule fires. A day is due at the first of
// them at or after its end, 24:00 UTC: so each day is due once, whatever the
// expression, its zone and the changes of that zone's clock.
//
// Where the clock is put forward, a time that it leaves out fires at the moment
// of the change; where it is put back, a time that comes twice fires twice, and
// the day is due at the first.
type Cron struct {
	text string
	spec cron.Schedule // asked in UTC, for what clocks in zone show
	zone *time.Location
}

// ParseCron reads an expression; DefaultCron if it is empty.
func ParseCron(text string) (Cron, error) {
	refuse := func(why any) (Cron, error) {
		return Cron{}, fmt.Errorf("SCHEDULE %q: %v; want %s", text, why, wantCron)
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		if text != "" {
			return refuse("it is blank")
		}
		fields = strings.Fields(DefaultCron)
	}
	c := Cron{text: strings.Join(fields, " "), zone: time.UTC}
	// cron.Parse would panic over a zone alone, and take Local for UTC.
	if key, name, ok := strings.Cut(fields[0], "="); ok && (key == "CRON_TZ" || key == "TZ") {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			return refuse(fmt.Sprintf("there is no time zone %q", name))
		}
		if c.zone, fields = zone, fields[1:]; len(fields) == 0 {
			return refuse("nothing follows the zone")
		}
	}
	spec, err := parseFields(fields)
	if err != nil {
		return refuse(err)
	}
	c.spec = spec
	if every, ok := spec.(cron.ConstantDelaySchedule); ok {
		written, err := time.ParseDuration(fields[1])
		if err != nil || written < time.Minute || written != every.Delay {
			return refuse(fmt.Sprintf("it is every %s, and at least 1m in whole seconds is allowed", fields[1]))
		}
		c.spec, c.zone = periodic(every.Delay), time.UTC
	}
	if _, ok := c.next(time.Unix(0, 0)); !ok {
		return refuse("it never fires")
	}
	return c, nil
}

// parseFields reads an expression without its zone; the error names the field.
func parseFields(fields []string) (cron.Schedule, error) {
	names := [...]string{"minute", "hour", "day", "month", "weekday"}
	if len(fields) != len(names) {
		return cron.ParseStandard(strings.Join(fields, " "))
	}
	fields = slices.Clone(fields)
	fields[4] = withoutSeven(fields[4])
	for i, name := range names {
		alone := slices.Repeat([]string{"*"}, len(names))
		alone[i] = fields[i]
		if _, err := cron.ParseStandard(strings.Join(alone, " ")); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return cron.ParseStandard(strings.Join(fields, " "))
}

// withoutSeven writes 7, which is Sunday as in crontab(5), as the 0 that package cron
// knows, also where a range such as 5-7 or 1-7/2 ends with it.
func withoutSeven(weekdays string) string {
	parts := strings.Split(weekdays, ",")
	for i, part := range parts {
		days, step, _ := strings.Cut(part, "/")
		first, last, _ := strings.Cut(days, "-")
		from, err := strconv.Atoi(first)
		every, noStep := strconv.Atoi(step)
		switch {
		case days == "7", days == "7-7":
			parts[i] = "0"
		case last != "7" || err != nil || from < 0 || from > 6 || step != "" && (noStep != nil || every < 1):
		case step == "":
			parts[i] = first + "-6,0"
		case (7-from)%every == 0:
			parts[i] = first + "-6/" + step + ",0"
		default:
			parts[i] = first + "-6/" + step
		}
	}
	return strings.Join(parts, ",")
}

// String is the expression, as it was given.
func (c Cron) String() string { return c.text }

// periodic fires at the multiples of a duration since the epoch, so that all
// processes agree on them.
type periodic time.Duration

func (p periodic) Next(t time.Time) time.Time {
	every := int64(time.Duration(p) / time.Second)
	since := t.Unix() / every * every
	return time.Unix(since+every, 0).UTC()
}

// next is the first instant at or after t that fires, false if there is none in the next
// years. It goes from one change of the zone's clock to the next: cron itself leaves out
// what a change does, and errs where midnight is left out.
func (c Cron) next(t time.Time) (time.Time, bool) {
	for {
		local := t.In(c.zone)
		_, offset := local.Zone()
		ahead := time.Duration(offset) * time.Second
		shown := c.spec.Next(t.UTC().Add(ahead - time.Nanosecond))
		if shown.IsZero() || shown.Year() > dates.Last().Year() { // zero is cron's own word for none
			return time.Time{}, false
		}
		fires := shown.Add(-ahead)
		_, change := local.ZoneBounds()
		if change.IsZero() || fires.Before(change) {
			return fires, true
		}
		t = change.UTC()
		_, after := change.Zone()
		if fires.Before(t.Add(time.Duration(after)*time.Second - ahead)) {
			return t, true // The clock leaves it out.
		}
	}
}

func yesterday(now time.Time) time.Time { return dates.Of(now).AddDate(0, 0, -1) }

func (c Cron) dueAt(day time.Time) (time.Time, bool) { return c.next(day.AddDate(0, 0, 1)) }

// dueDays returns the days from start on that became due within the catch-up time before
// now, the newest first, and the newest that became due before it, if any. An expression
// that fires less than daily makes many days due at once.
func (c Cron) dueDays(start, now time.Time, catchUp int) (days []time.Time, older *time.Time) {
	since := now.AddDate(0, 0, -max(catchUp, 1))
	for day := yesterday(now); !day.Before(start) && len(days) < MaxDays; day = day.AddDate(0, 0, -1) {
		at, ok := c.dueAt(day)
		if !ok || at.After(now) {
			continue
		}
		if !at.After(since) {
			return days, &day
		}
		days = append(days, day)
	}
	return days, nil
}

// upcoming is when the next day from start on becomes due after now, and the
// newest of those that do then; false if never.
func (c Cron) upcoming(start, now time.Time) (at, day time.Time, ok bool) {
	first := dates.Later(yesterday(now), start)
	if at, ok = c.dueAt(first); ok && !at.After(now) {
		at, ok = c.dueAt(first.AddDate(0, 0, 1))
	}
	if !ok {
		return time.Time{}, time.Time{}, false
	}
	return at, yesterday(at), true
}
