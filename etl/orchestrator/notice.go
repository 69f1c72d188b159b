package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/notify"
)

const (
	keptNotices = 30 * 24 * time.Hour
	// noticeLease is for how long a process has a notice that it sends: longer than a
	// request takes.
	noticeLease = 15 * time.Second
	// noticeDays bounds the days that a notice lists.
	noticeDays = 100
)

// Notice is what a receiver is told: the data of an event.
type Notice struct {
	Message string `json:"message"`
	// Count is how many days the notice is about, 0 if it is about none, From the first and
	// To the last of them; Days are the first hundred.
	Count int         `json:"count,omitempty"`
	From  string      `json:"from,omitempty"`
	To    string      `json:"to,omitempty"`
	Days  []NoticeDay `json:"days,omitempty"`
}

// NoticeDay is a day of a notice. Began is set in notices of an end.
type NoticeDay struct {
	Day   string     `json:"day"`
	RunID *int64     `json:"run_id,omitempty"`
	Error string     `json:"error,omitempty"`
	Began *time.Time `json:"began,omitempty"`
}

// wrong is what is wrong of a kind, by day; its days are named when a notice is made.
type wrong map[time.Time]NoticeDay

// notice compares what is wrong with what was told, and enters a notice of what has begun
// and of what has ended since. Any number of processes may do it: each holds the schedule
// while it does. A kind that was told of within Gather waits, so that many days make few
// notices, and what has passed by then makes none.
func (c *Control) notice(ctx context.Context, now time.Time) error {
	if c.config.Notify.Receiver == nil {
		return errNotDue
	}
	return c.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if !row.Paused { // Failed days that the schedule will try again are not failed for good.
			if _, err := c.askAgain(ctx, tx, now); err != nil {
				return err
			}
		}
		open, err := openConditions(ctx, tx)
		if err != nil {
			return err
		}
		failed, err := failedForGood(ctx, tx, now, open[enum.ConditionKindDayFailed])
		if err != nil {
			return err
		}
		late, err := c.lateDays(ctx, tx, now, open[enum.ConditionKindDayLate])
		if err != nil {
			return err
		}
		reason, suspect := suspectSource(row, now, open[enum.ConditionKindSourceSuspect])
		return c.compare(ctx, tx, open, map[enum.ConditionKind]wrong{
			enum.ConditionKindDayFailed: failed, enum.ConditionKindDayLate: late, enum.ConditionKindSourceSuspect: suspect,
		}, reason)
	})
}

func openConditions(ctx context.Context, tx pgx.Tx) (map[enum.ConditionKind]wrong, error) {
	rows, err := targetdb.New(tx).ListConditions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what was told: %w", err)
	}
	open := map[enum.ConditionKind]wrong{}
	for _, row := range rows {
		if open[row.Kind] == nil {
			open[row.Kind] = wrong{}
		}
		open[row.Kind][row.Day] = NoticeDay{Began: new(row.BeganAt.UTC())}
	}
	return open, nil
}

// compare enters notices of the differences between what is open and what is wrong now.
func (c *Control) compare(ctx context.Context, tx pgx.Tx, open, now map[enum.ConditionKind]wrong, reason string) error {
	quiet, err := targetdb.New(tx).QuietNotices(ctx, c.config.Notify.Gather)
	if err != nil {
		return fmt.Errorf("read recent notices: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(now)) {
		for _, ended := range []bool{true, false} {
			change := now[kind].without(open[kind])
			if ended {
				change = open[kind].without(now[kind])
			}
			if len(change) == 0 || slices.Contains(quiet, targetdb.QuietNoticesRow{Kind: kind, Ended: ended}) {
				continue
			}
			if err := enter(ctx, tx, kind, ended, change, reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// without is what is wrong in w on days that other lacks.
func (w wrong) without(other wrong) wrong {
	rest := maps.Clone(w)
	maps.DeleteFunc(rest, func(day time.Time, _ NoticeDay) bool { _, both := other[day]; return both })
	return rest
}

// failedForGood are the days that are over, have failed and are not tried again; and those
// of them that were told, until they are no longer failed: another attempt is no end.
func failedForGood(ctx context.Context, tx pgx.Tx, now time.Time, open wrong) (wrong, error) {
	rows, err := targetdb.New(tx).ListFailed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read failed days: %w", err)
	}
	failed := wrong{}
	for _, row := range rows {
		_, told := open[row.Day]
		if told || row.ForGood && row.Day.Before(dates.Of(now)) {
			failed[row.Day] = NoticeDay{RunID: row.RunID, Error: row.Error}
		}
	}
	return failed, nil
}

// lateDays are the late days; one that was told stays late until it is loaded or called
// off, also when the schedule no longer catches up with it.
func (c *Control) lateDays(ctx context.Context, tx pgx.Tx, now time.Time, open wrong) (wrong, error) {
	known, err := ledgerRange(ctx, tx, etl.Span{First: dates.Earliest(), Last: dates.Latest(now)}, false)
	if err != nil {
		return nil, err
	}
	days := c.overdue(now, c.begun(known))
	for day := range open {
		days = append(days, day)
	}
	rows, err := awaited(ctx, tx, days)
	if err != nil {
		return nil, err
	}
	late := wrong{}
	for _, row := range rows {
		var d NoticeDay
		if row.State == enum.PartitionStateFailed && row.Error != nil {
			d.RunID, d.Error = row.RunID, *row.Error
		}
		late[row.Day] = d
	}
	return late, nil
}

// suspectSource is why the source is suspect, if it is.
func suspectSource(row targetdb.Schedule, now time.Time, open wrong) (string, wrong) {
	switch {
	case row.SuspectReason == nil:
		return "", nil
	case len(open) > 0:
		return *row.SuspectReason, open
	}
	return *row.SuspectReason, wrong{dates.Of(now): {}}
}

func enter(ctx context.Context, tx pgx.Tx, kind enum.ConditionKind, ended bool, change wrong, reason string) error {
	days := slices.SortedFunc(maps.Keys(change), time.Time.Compare)
	listed := make([]NoticeDay, len(days))
	for i, day := range days {
		listed[i] = change[day]
		listed[i].Day = day.Format(time.DateOnly)
	}
	data, err := json.Marshal(message(kind, ended, listed, reason))
	if err != nil {
		return fmt.Errorf("write a notice: %w", err)
	}
	db := targetdb.New(tx)
	if ended {
		err = db.EndConditions(ctx, targetdb.EndConditionsParams{Kind: kind, Days: days})
	} else {
		err = db.BeginConditions(ctx, targetdb.BeginConditionsParams{Kind: kind, Days: days})
	}
	if err == nil {
		err = db.AddNotice(ctx, targetdb.AddNoticeParams{Kind: kind, Ended: ended, Data: data})
	}
	if err != nil {
		return fmt.Errorf("enter a notice of %s: %w", kind, err)
	}
	return nil
}

func message(kind enum.ConditionKind, ended bool, days []NoticeDay, reason string) Notice {
	if kind == enum.ConditionKindSourceSuspect {
		if ended {
			return Notice{Message: "The source is believed again: late data is followed."}
		}
		return Notice{Message: "The source is suspect: " + reason + ". What is loaded stays, and late data is not followed."}
	}
	n := Notice{Count: len(days), From: days[0].Day, To: days[len(days)-1].Day, Days: days[:min(len(days), noticeDays)]}
	one, many := "failed for good; Delfos does not try it again by itself", "failed for good; Delfos does not try them again by itself"
	switch {
	case kind == enum.ConditionKindDayFailed && ended:
		one, many = "is no longer failed", "are no longer failed"
	case kind == enum.ConditionKindDayLate && ended:
		one, many = "is no longer late", "are no longer late"
	case kind == enum.ConditionKindDayLate:
		one, many = "is late: it has been due for more than an hour and is not loaded", "are late: they have been due for more than an hour and are not loaded"
	}
	n.Message = fmt.Sprintf("Day %s %s.", n.From, one)
	if n.Count > 1 {
		n.Message = fmt.Sprintf("%d days, %s to %s, %s.", n.Count, n.From, n.To, many)
	}
	return n
}

// sendNotice sends the notice that is next, if it is time. One process at a time does it.
// A receiver that does not take a notice is asked again after 1 s, 2 s, 4 s and so on, up
// to 17 minutes, with the same id; later notices wait for it.
func (c *Control) sendNotice(ctx context.Context) error {
	receiver := c.config.Notify.Receiver
	if receiver == nil {
		return errNotDue
	}
	db := targetdb.New(c.config.Target)
	n, err := db.TakeNotice(ctx, noticeLease)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotDue
	}
	if err != nil {
		return fmt.Errorf("take a notice: %w", err)
	}
	event := eventOf(n)
	if err := receiver.Send(ctx, event); err != nil {
		wait := time.Second << min(n.Attempts-1, 10)
		return errors.Join(err, db.PostponeNotice(ctx, targetdb.PostponeNoticeParams{ID: n.ID, Attempts: n.Attempts, Wait: wait}))
	}
	if err := db.SentNotice(ctx, n.ID); err != nil {
		return fmt.Errorf("record that event %s was sent: %w", event.ID, err)
	}
	c.config.Log.InfoContext(ctx, "a notice was sent", "event", event.ID, "attempt", n.Attempts)
	return nil
}

// eventOf is the event of a notice, the same each time that it is sent.
func eventOf(n targetdb.Notice) notify.Event {
	change := "begun"
	if n.Ended {
		change = "ended"
	}
	at := n.CreatedAt.UTC()
	e := notify.Event{
		ID:   fmt.Sprintf("%s-%s-%s", n.Kind, change, at.Format("20060102T150405.000000Z")),
		Type: fmt.Sprintf("delfos.%s.%s", n.Kind, change),
		Time: at, Data: n.Data,
	}
	var data Notice
	if err := json.Unmarshal(n.Data, &data); err == nil {
		e.Subject = data.From
		if data.Count > 1 {
			e.Subject += "/" + data.To
		}
	}
	return e
}
