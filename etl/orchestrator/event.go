package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// Event is something that changed.
type Event = targetdb.ReadEventsRow

// ResetEvent is the kind of event that tells a follower that events after the one
// it named are gone; the others are noted in the ledger.
const ResetEvent enum.EventKind = "reset"

const (
	// keptEvents is how many events are kept for followers that come back.
	keptEvents = 20_000
	// eventReaders is how many followers may read at once: however many there
	// are, the queue keeps most sessions of their pool.
	eventReaders = 3

	eventPage = 500
	eventPoll = 500 * time.Millisecond
)

// events numbers the events that are noted in the ledger, and hands them to
// followers.
type events struct {
	pool    *pgxpool.Pool // of the target
	readers chan struct{} // a token each

	news atomic.Value // a chan struct{} that is closed when events have got their numbers
}

func newEvents(pool *pgxpool.Pool) *events {
	e := &events{pool: pool, readers: make(chan struct{}, eventReaders)}
	e.news.Store(make(chan struct{}))
	return e
}

// Events calls each with the events after one, in order and as they are
// committed, until ctx ends or each fails; after < 0 starts with what happens
// next. If events after it are gone, the first is of ResetEvent.
func (e *events) Events(ctx context.Context, after int64, each func(Event) error) error {
	known, err := targetdb.New(e.pool).EventRange(ctx)
	if err != nil {
		return fmt.Errorf("read the range of events: %w", err)
	}
	switch {
	case after < 0:
		after = known.Newest
	case after > known.Newest, after < known.Oldest-1:
		after = known.Newest
		if err := each(Event{ID: after, At: time.Now().UTC(), Kind: ResetEvent, State: string(ResetEvent)}); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(eventPoll)
	defer ticker.Stop()
	for {
		news, _ := e.news.Load().(chan struct{})
		page, err := e.read(ctx, after)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read events: %w", err)
		}
		for _, event := range page {
			after = event.ID
			if err := each(event); err != nil {
				return err
			}
		}
		if len(page) == eventPage {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		case <-ticker.C:
		}
	}
}

func (e *events) read(ctx context.Context, after int64) ([]Event, error) {
	select {
	case e.readers <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-e.readers }()
	return targetdb.New(e.pool).ReadEvents(ctx, targetdb.ReadEventsParams{After: after, Count: eventPage})
}

// numberAll keeps the events numbered until ctx ends or it fails. It waits for the
// notification of an event, and looks by itself if none comes.
func (e *events) numberAll(ctx context.Context) error {
	conn, err := e.pool.Acquire(ctx)
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
			return fmt.Errorf("number events: %w", err)
		}
		if numbered > 0 {
			news, _ := e.news.Swap(make(chan struct{})).(chan struct{})
			close(news) // wakes the followers of this process
		}
		waited, cancel := context.WithTimeout(ctx, eventPoll)
		_, err = conn.Conn().WaitForNotification(waited)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}

// number gives committed events their numbers, in a transaction that is alone in
// doing so. It returns how many it numbered.
func number(ctx context.Context, conn *pgxpool.Conn) (numbered int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		db := targetdb.New(tx)
		mine, err := db.TryNumbering(ctx)
		if err != nil || !mine {
			return err
		}
		numbered, err = db.NumberEvents(ctx)
		return err
	})
	return numbered, err
}
