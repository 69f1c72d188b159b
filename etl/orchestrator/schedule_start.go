package orchestrator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/dates"
)

const (
	// askAgain is how long an answer about the first and the last sample counts,
	// while a different one would matter.
	askAgain = time.Minute
	// askTimeout bounds the question, so that a source that is away holds nobody
	// up.
	askTimeout = 3 * time.Second
)

// start knows the first day that the schedule loads. Days that can't be believed
// (package dates) are passed over: a sample of year 1 would make it load ages.
type start struct {
	origin     origin
	pool       *pgxpool.Pool // of the target
	configured *time.Time
	log        *slog.Logger

	mu      sync.Mutex
	samples *etl.Span  // the source's; nil while unknown, or there are none
	askedAt *time.Time // nil before the first time
	failing bool
}

// day is the first day to load, or not known while the source has no samples.
// Only whether days from need on are among those to load has to be right: the
// source, asked once, is asked again while an earlier first sample, as an import
// brings, would matter. If it can't be had, the first day that was ever loaded
// stands in.
func (s *start) day(ctx context.Context, now, need time.Time) (day time.Time, known bool, err error) {
	if s.configured != nil {
		return *s.configured, true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.samples == nil || s.samples.First.After(need) {
		s.ask(ctx, now)
	}
	if s.samples != nil {
		return s.samples.First, true, nil
	}
	if !s.failing {
		return time.Time{}, false, nil
	}
	ledger, err := ledgerRange(ctx, s.pool, etl.Span{First: dates.Earliest(), Last: dates.Latest(now)}, false)
	if err != nil || ledger == nil {
		return time.Time{}, false, err
	}
	return ledger.First, true, nil
}

// sampled is the first and the last day of which the source has samples; nil if
// it has none, or can't be asked.
func (s *start) sampled(ctx context.Context, now time.Time) *etl.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask(ctx, now)
	return s.samples
}

// remembered is sampled as the source said the last time.
func (s *start) remembered() *etl.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.samples
}

// ask asks the source anew, unless it was asked a moment ago.
func (s *start) ask(ctx context.Context, now time.Time) {
	if s.askedAt != nil && now.Sub(*s.askedAt) >= 0 && now.Sub(*s.askedAt) < askAgain {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	samples, known, err := s.origin.Sampled(bounded, dates.Earliest(), dates.Latest(now))
	if ctx.Err() != nil {
		return
	}
	s.askedAt = &now
	if err != nil && !s.failing {
		s.log.WarnContext(ctx, "asking the source for its first and last sample failed; trying again", "error", err)
	}
	s.failing = err != nil
	switch {
	case err != nil:
	case known:
		s.samples = &samples
	default:
		s.samples = nil
	}
}
