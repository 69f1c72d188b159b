package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// ResetEvent is the kind of event that tells a follower that events after the one
// it named are gone; the others are noted in the ledger.
const ResetEvent = "reset"

// Event is something that changed.
type Event struct {
	ID    int64
	At    time.Time
	Kind  string
	Day   *time.Time
	RunID *int64
	State string
}

// KeptEvents is how many events are kept for followers that come back.
const KeptEvents = 20_000

const (
	// eventReaders is how many followers may read at once: however many there
	// are, the queue keeps most sessions of their pool.
	eventReaders = 3

	eventPage = 500
	eventPoll = 500 * time.Millisecond
)

// note enters an event; runID 0 is none.
func note(ctx context.Context, tx pgx.Tx, kind enum.EventKind, runID int64, state string) error {
	e := targetdb.AddEventParams{Kind: kind, State: state}
	if runID != 0 {
		e.RunID = &runID
	}
	if err := targetdb.New(tx).AddEvent(ctx, e); err != nil {
		return fmt.Errorf("note an event: %w", err)
	}
	return nil
}

// Events calls each with the events after one, in order and as they are
// committed, until ctx ends or each fails; after < 0 starts with what happens
// next. If events after it are gone, the first is of ResetEvent.
func (c *Control) Events(ctx context.Context, after int64, each func(Event) error) error {
	db := targetdb.New(c.pool)
	known, err := db.EventRange(ctx)
	if err != nil {
		return fmt.Errorf("read the range of events: %w", err)
	}
	switch {
	case after < 0:
		after = known.Newest
	case after > known.Newest, after < known.Oldest-1:
		after = known.Newest
		if err := each(Event{ID: after, At: time.Now().UTC(), Kind: ResetEvent, State: ResetEvent}); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(eventPoll)
	defer ticker.Stop()
	for {
		wake := c.feed.next()
		page, err := c.feed.read(ctx, db, after)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read events: %w", err)
		}
		for _, e := range page {
			after = e.ID
			if err := each(Event{ID: e.ID, At: e.At, Kind: string(e.Kind), Day: e.Day, RunID: e.RunID, State: e.State}); err != nil {
				return err
			}
		}
		if len(page) == eventPage {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
		case <-ticker.C:
		}
	}
}

// number gives committed events their numbers, in a transaction that is alone in
// doing so. It returns how many it numbered.
func number(ctx context.Context, db beginner) (numbered int64, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		q := targetdb.New(tx)
		mine, err := q.TryNumbering(ctx)
		if err != nil || !mine {
			return err //nolint:wrapcheck // Said below.
		}
		numbered, err = q.NumberEvents(ctx)
		return err //nolint:wrapcheck // Said below.
	})
	if err != nil {
		return 0, fmt.Errorf("number events: %w", err)
	}
	return numbered, nil
}

type beginner interface {
	Begin(context.Context) (pgx.Tx, error)
}

// numberEvents keeps the events numbered until ctx ends. It waits for the
// notification of an event, and looks by itself if none comes.
func (o *Orchestrator) numberEvents(ctx context.Context) {
	for ctx.Err() == nil {
		if err := o.listen(ctx); err != nil && ctx.Err() == nil {
			o.log.WarnContext(ctx, "following events failed; trying again", "error", err)
			pause(ctx, time.Second)
		}
	}
}

func (o *Orchestrator) listen(ctx context.Context) error {
	conn, err := o.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("a session: %w", err)
	}
	// A session that listens is of no use to anybody else.
	defer func() { _ = conn.Hijack().Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN delfos_event"); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		numbered, err := number(ctx, conn)
		if err != nil {
			return err
		}
		if numbered > 0 {
			o.control.feed.wake()
		}
		waited, cancel := context.WithTimeout(ctx, eventPoll)
		_, err = conn.Conn().WaitForNotification(waited)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}
