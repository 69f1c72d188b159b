package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

const (
	// DefaultLease is how long a claim lives without a sign of life. A stopped
	// process frees its day after that and the 5 s that its session may take
	// to end: within 30 s.
	DefaultLease = 15 * time.Second
	// renewals is how many times a lease is renewed before it would run out,
	// so that one may fail.
	renewals = 3
	// maxLost is how many attempts in a row may be lost with the worker that made
	// them before a day is given up, because one that kills its worker would kill the
	// next one too.
	maxLost = 5
)

// ErrCalledOff is wrapped when nobody asks for a day any more: what its attempt would
// have committed is rolled back.
var ErrCalledOff = errors.New("the day was called off")

// LostError says that a day was given up, because attempt after attempt at it was lost.
type LostError struct{ Attempts int32 }

func (e *LostError) Error() string {
	return fmt.Sprintf("the workers of the last %d attempts were lost before they recorded a result: each was killed, ran out of memory or hung. "+
		"Look at the workers' logs and memory, then ask for the day again", e.Attempts)
}

// Claim waits until the day is free, claims it for a session of its own and
// keeps the lease up until the claim is released. The context returned ends
// with ErrClaimLost when the claim does.
func (l *Ledger) Claim(ctx context.Context, day time.Time, o Order) (context.Context, *Claim, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	c := &Claim{
		ledger: l, conn: conn, q: targetdb.New(execFirstUse{conn}), day: day, order: o,
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := c.take(ctx); err != nil {
		conn.Release()
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	ctx, c.lost = context.WithCancelCause(ctx)
	go c.keep(ctx)
	return ctx, c, nil
}

// GivenUp returns a *LostError when too many attempts at the day were lost in a row
// and the claim's own would be made again.
func (c *Claim) GivenUp() error {
	if c.Entry.Lost >= maxLost && c.order.Settler != nil {
		return &LostError{c.Entry.Lost}
	}
	return nil
}

// Loaded reports whether the ledger had digests of the whole day, by which a rerun may
// find that there is nothing to do.
func (c *Claim) Loaded() bool {
	e := &c.Entry
	return !c.order.Subset && e.Outcome != nil && *e.Outcome == enum.OutcomeDone &&
		e.SourceDigest != nil && e.TargetDigest != nil && e.Samples != nil && e.Expected != nil && e.Windows != nil
}

// take waits for the holder to finish, die or outlive its lease.
func (c *Claim) take(ctx context.Context) error {
	ask := targetdb.ClaimPartitionParams{Day: c.day, RunID: c.order.RunID, Lease: c.ledger.lease}
	waiting := false
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		var err error
		if c.Entry, err = c.q.ClaimPartition(ctx, ask); err == nil {
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("compare and set: %w", err)
		}
		held, err := c.q.ReadClaim(ctx, c.day)
		if errors.Is(err, pgx.ErrNoRows) {
			err = nil // It was forgotten, or is to be claimed for the first time.
		}
		if err == nil && (!held.Claimed || !held.Alive) {
			err = c.stillAsked(ctx)
		}
		switch {
		case err != nil:
			return fmt.Errorf("read claim: %w", err)
		case held.Claimed && held.Alive && held.Expired && ask.Token != held.Token:
			c.ledger.log.WarnContext(ctx, "ending the session of an expired claim", "day", c.day.Format(time.DateOnly), "token", held.Token, "pid", held.Pid)
			if err := EndExpired(ctx, c.q, c.day, held.Token); err != nil {
				return fmt.Errorf("end the session of an expired claim: %w", err)
			}
			ask.Token = held.Token
			continue
		case held.Claimed && held.Alive && !waiting:
			waiting = true
			c.ledger.log.InfoContext(ctx, "another worker holds the day; waiting", "day", c.day.Format(time.DateOnly), "token", held.Token)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

const endWait = 5 * time.Second

// EndExpired ends the session of a day's claim whose lease has run out, if the claim
// still is the one of token, and waits until it has ended.
func EndExpired(ctx context.Context, q *targetdb.Queries, day time.Time, token int64) error {
	_, err := q.EndExpired(ctx, targetdb.EndExpiredParams{Day: &day, Token: &token, WaitMs: endWait.Milliseconds()})
	return err
}

// stillAsked makes sure that the run asks for the day; it does not any more when the
// day was forgotten.
func (c *Claim) stillAsked(ctx context.Context) error {
	asked, err := c.q.AsksFor(ctx, targetdb.AsksForParams{RunID: c.order.RunID, Day: c.day})
	if err == nil && !asked {
		return ErrCalledOff
	}
	return err
}

// keep renews the lease on another session, since the claim's own is busy
// loading.
func (c *Claim) keep(ctx context.Context) {
	defer close(c.stopped)
	q := targetdb.New(c.ledger.upkeep)
	renewal := c.ledger.lease / renewals
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, renewal)
		kept, err := q.RenewLease(bounded, targetdb.RenewLeaseParams{Day: c.day, Token: c.Entry.Token, Lease: c.ledger.lease})
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			// The load's own session tells if the target is gone, the next
			// renewal if the claim is.
			c.ledger.log.WarnContext(ctx, "renewing the lease failed", "day", c.day.Format(time.DateOnly), "error", err)
		case err == nil && kept == 0:
			select {
			case <-c.stop: // released while the renewal was under way
			default:
				c.lost(ErrClaimLost)
			}
			return
		}
	}
}

// Release ends the claim's upkeep and gives its session back. A session that may still
// hold the claim is closed, because nobody may find it alive.
func (c *Claim) Release(ctx context.Context) {
	c.lost(nil)
	<-c.stopped
	if !c.settled || c.doubtful {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		_ = c.conn.Conn().Close(ctx)
	}
	c.conn.Release()
}
