package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/targetdb"
)

const (
	// askAgain is how long an answer about the first sample counts, while a
	// different one would matter.
	askAgain = time.Minute
	// askTimeout bounds the question, so that a source that is away holds nobody
	// up.
	askTimeout = 3 * time.Second
)

// start knows the first day that the schedule loads.
type start struct {
	origin     origin
	pool       *pgxpool.Pool // of the target
	configured time.Time
	log        *slog.Logger

	mu      sync.Mutex
	first   time.Time // of the source's first sample; zero while unknown
	askedAt time.Time
	failing bool
}

// day is the first day to load, or not known while the source has no samples.
// Only whether days from need on are among those to load has to be right: the
// source, asked once, is asked again while an earlier first sample, as an import
// brings, would matter. If it can't be had, the first day that was ever loaded
// stands in.
func (s *start) day(ctx context.Context, now, need time.Time) (day time.Time, known bool, err error) {
	if !s.configured.IsZero() {
		return dayOf(s.configured), true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	settled := !s.first.IsZero() && !s.first.After(need)
	if since := now.Sub(s.askedAt); !settled && (since < 0 || since >= askAgain) {
		s.ask(ctx, now)
	}
	if !s.first.IsZero() {
		return s.first, true, nil
	}
	if !s.failing {
		return time.Time{}, false, nil
	}
	loaded, err := targetdb.New(s.pool).LedgerRange(ctx)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fmt.Errorf("read the first day: %w", err)
	}
	return loaded.FirstDay, true, nil
}

func (s *start) ask(ctx context.Context, now time.Time) {
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at, known, err := s.origin.FirstSample(bounded)
	if ctx.Err() != nil {
		return
	}
	s.askedAt = now
	if err != nil && !s.failing {
		s.log.WarnContext(ctx, "asking the source for its first sample failed; trying again", "error", err)
	}
	s.failing = err != nil
	switch {
	case err != nil:
	case known:
		s.first = dayOf(at)
	default:
		s.first = time.Time{}
	}
}
