package etl

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
	// DefaultLease is how long a claim lives without a sign of life. A stopped
	// process frees its day after that and the 5 s that its session may take
	// to end: within 30 s.
	DefaultLease = 15 * time.Second
	// renewals is how many times a lease is renewed before it would run out,
	// so that one may fail.
	renewals = 3
	// poll is how often a claim that somebody else holds is looked at.
	poll = 100 * time.Millisecond
	// settleTimeout bounds each step that is still taken for an attempt that
	// failed or was cancelled, so that a target that is away holds nobody up.
	settleTimeout = 5 * time.Second
	// tellTimeout is settleTimeout for a queue's attempt, while its worker goes on.
	tellTimeout = time.Minute
	// resolveTimeout bounds the search for the outcome of a COMMIT whose answer
	// was lost.
	resolveTimeout = 30 * time.Second
)

// ErrClaimLost is the cause when a worker finds that its day was taken over,
// because it was stopped for longer than its lease. It has written nothing.
var ErrClaimLost = errors.New("the claim on the day was lost to another worker")

// ledger hands out claims on days. All its state is in the target's tables
// partition, attempt and run_partition.
type ledger struct {
	pool *pgxpool.Pool // of the sessions that hold claims
	// upkeep is for what must go on while any number of claims waits for a
	// session of pool: renewals, and the record of failures.
	upkeep *pgxpool.Pool
	lease  time.Duration
	log    *slog.Logger
}

// claim is the right to write one day, bound to one database session and
// fenced by a token that grows with each claim of the day.
type claim struct {
	ledger   *ledger
	conn     *pgxpool.Conn
	q        *targetdb.Queries // on conn
	day      time.Time
	order    Order
	token    int64
	taken    targetdb.ClaimPartitionRow // with the session, and what the ledger has of the day
	subset   bool
	doubtful bool // a COMMIT of the session was not answered
	lost     context.CancelCauseFunc
	stop     chan struct{}
	quieted  sync.Once
	stopped  chan struct{}
}

// claim waits until the day is free, claims it for a session of its own and
// keeps the lease up until the claim is released. The context returned ends
// with ErrClaimLost when the claim does.
func (l *ledger) claim(ctx context.Context, day time.Time, o Order, subset bool) (context.Context, *claim, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	c := &claim{
		ledger: l, conn: conn, q: targetdb.New(sparing{conn}), day: day, order: o, subset: subset,
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

// take waits for the holder to finish, die or outlive its lease.
func (c *claim) take(ctx context.Context) error {
	ask := targetdb.ClaimPartitionParams{Day: c.day, RunID: c.order.RunID, Lease: c.ledger.lease}
	waiting := false
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		var err error
		if c.taken, err = c.q.ClaimPartition(ctx, ask); err == nil {
			c.token = c.taken.Token
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
			c.ledger.log.WarnContext(ctx, "ending the session of an expired claim", "day", format(c.day), "token", held.Token, "pid", held.Pid)
			if err := EndExpired(ctx, c.q, c.day, held.Token); err != nil {
				return fmt.Errorf("end the session of an expired claim: %w", err)
			}
			ask.Token = held.Token
			continue
		case held.Claimed && held.Alive && !waiting:
			waiting = true
			c.ledger.log.InfoContext(ctx, "another worker holds the day; waiting", "day", format(c.day), "token", held.Token)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// endWait is how long the end of an expired claim's session is waited for.
const endWait = 5 * time.Second

// EndExpired ends the session of a day's claim whose lease has run out, if the claim
// still is the one of token, and waits until it has ended.
func EndExpired(ctx context.Context, q *targetdb.Queries, day time.Time, token int64) error {
	_, err := q.EndExpired(ctx, targetdb.EndExpiredParams{Day: &day, Token: &token, WaitMs: endWait.Milliseconds()})
	return err //nolint:wrapcheck // The caller says what was being done.
}

// stillAsked makes sure that the run asks for the day; it does not any more when the
// day was forgotten.
func (c *claim) stillAsked(ctx context.Context) error {
	asked, err := c.q.AsksFor(ctx, targetdb.AsksForParams{RunID: c.order.RunID, Day: c.day})
	if err == nil && !asked {
		return ErrCalledOff
	}
	return err //nolint:wrapcheck // take says what was being done.
}

// keep renews the lease on another session, since the claim's own is busy
// loading.
func (c *claim) keep(ctx context.Context) {
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
		kept, err := q.RenewLease(bounded, targetdb.RenewLeaseParams{Day: c.day, Token: c.token, Lease: c.ledger.lease})
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			// The load's own session tells if the target is gone, the next
			// renewal if the claim is.
			c.ledger.log.WarnContext(ctx, "renewing the lease failed", "day", format(c.day), "error", err)
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

// release ends the claim's upkeep and gives its session back. A session that
// may still hold the claim is closed, for nobody shall find it alive.
func (c *claim) release(ctx context.Context, settled bool) {
	c.lost(nil)
	<-c.stopped
	if !settled || c.doubtful {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		_ = c.conn.Conn().Close(ctx)
	}
	c.conn.Release()
}

// quiet ends the upkeep, so that the commit's own release of the claim can't
// be taken for a loss.
func (c *claim) quiet() {
	c.quieted.Do(func() { close(c.stop) })
	<-c.stopped
}
