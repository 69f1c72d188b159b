// Package sessions divides the sessions of an API's pool, so that readers who
// take their time never keep a short question, nor /ready, from its answer.
//
// A session is held at the pace of the database, or at that of a client, when an
// answer is sent while it is read. Most answers are at hand whole before their
// first byte leaves (stream.WholeSize): they hold a session at the database's
// pace. The others need a place, of which there are fewer than sessions:
//
//	all sessions          one is kept for /ready
//	└ places              answers that are sent while they are read, and
//	  │                   questions that take the database long
//	  └ long answers      those of rows of more than a day
//
// Whoever waits for a place holds no session, and whoever holds a place waits
// only for sessions that are held at the database's pace. So nobody waits for a
// client but those who ask for a place, for a bounded time, and they are told
// what there is too much of.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/stream"
)

const (
	// least is how many sessions a pool needs: one for an answer that waits for
	// its client, and one for all that does not.
	least = 2
	// most is how many it has, unless the URL says otherwise by pool_max_conns.
	most = 16
)

// OpenPool returns a pool for an API on a database. It connects when first asked
// to, so that the server can listen before the database is there. Its sessions
// can't write, and wait no more than 5 s for a lock; a session setting in the URL
// wins over one made here.
//
// There is no statement_timeout: it would count the time that a client takes to
// read a long answer. A query is bounded otherwise: it ends when its client
// leaves or reads too slowly (httpserve.Floor), and within half a second of a
// death of this process.
func OpenPool(ctx context.Context, database dberror.Database, url string, options pgpool.Options) (*pgxpool.Pool, error) {
	options.MaxConns, options.AtLeast = most, least
	options.Settings = maps.Clone(options.Settings)
	options.Settings["default_transaction_read_only"] = "on"
	options.Settings["lock_timeout"] = "5s"
	pool, err := pgpool.Open(ctx, url, options)
	if err != nil {
		return nil, fmt.Errorf("%s database: %w", database, err)
	}
	return pool, nil
}

// Kind is what an answer may cost.
type Kind int

const (
	// Short is an answer that needs a place when it turns out not to be at hand
	// whole before its first byte leaves.
	Short Kind = iota
	// Long is one of rows of more than a day: it leaves places to Short ones.
	Long
	// Heavy takes the database long before its first byte, and needs a place
	// before it begins.
	Heavy
)

// Sessions are those of one pool.
type Sessions struct {
	pool  *pgxpool.Pool
	check *Check
	wait  time.Duration

	spare  bound // the one that is kept for /ready
	asked  bound // all others
	places bound
	long   bound
}

// bound is a semaphore that knows its size.
type bound struct {
	*semaphore.Weighted
	most int
}

func newBound(most int) bound { return bound{semaphore.NewWeighted(int64(most)), most} }

// New divides the sessions of the pool of the database that check is for; wait
// bounds how long a request may wait for a session or a place, 5 s if it is 0.
func New(pool *pgxpool.Pool, check *Check, wait time.Duration) *Sessions {
	asked, places, long := divide(int(pool.Config().MaxConns))
	return &Sessions{
		pool: pool, check: check, wait: cmp.Or(wait, 5*time.Second),
		spare: newBound(1), asked: newBound(asked), places: newBound(places), long: newBound(long),
	}
}

// divide says how many of all sessions questions may have, how many of these
// answers with a place, and how many of these long answers.
func divide(all int) (asked, places, long int) {
	asked = all
	if all > least {
		asked-- // with two, the one without a place is soon free for /ready
	}
	places = max(1, asked-max(1, all/4))
	return asked, places, max(1, places*2/3)
}

// Session is a session that Acquire gave; Release gives it back.
type Session struct {
	*pgxpool.Conn
	release func()
}

// Release gives the session back, once.
func (s *Session) Release() { s.release() }

// Acquire takes a session for a question; the caller releases it. When none is
// free in time the answer is a 503 that says so, not a queue without end.
func (s *Sessions) Acquire(ctx context.Context) (*Session, error) { return s.acquire(ctx, s.asked) }

func (s *Sessions) acquire(ctx context.Context, of bound) (*Session, error) {
	bounded, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	if err := of.Acquire(bounded, 1); err != nil {
		return nil, s.refusal(ctx, err)
	}
	conn, err := s.pool.Acquire(bounded)
	if err != nil {
		of.Release(1)
		return nil, s.refusal(ctx, err)
	}
	return &Session{conn, sync.OnceFunc(func() {
		conn.Release()
		of.Release(1)
	})}, nil
}

// lendSpare lends the session that is kept for /ready, to one after another, for
// as long as a request may wait.
func (s *Sessions) lendSpare(ctx context.Context, use func(context.Context, *pgx.Conn) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	session, err := s.acquire(ctx, s.spare)
	if err != nil {
		return err
	}
	defer session.Release()
	return use(bounded, session.Conn.Conn())
}

// refusal says why there is no session: all of them may be taken, or the
// database may not let itself be connected to.
func (s *Sessions) refusal(ctx context.Context, err error) error {
	err = fmt.Errorf("get a session with the %s database: %w", s.check.database, err)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	taken := int(s.pool.Stat().AcquiredConns())
	err = fmt.Errorf("%w (%d of %d sessions are in use)", err, taken, s.pool.Config().MaxConns)
	if taken < s.asked.most {
		return problem.Unavailable(err)
	}
	return problem.Busy(fmt.Sprintf("all %d sessions with the %s database are in use; try again shortly", taken, s.check.database), soon, err)
}

const (
	soon  = 2 * time.Second
	later = 10 * time.Second
)

// errNoPlace ends an answer that needs a place when there is none.
var errNoPlace = errors.New("there is no place for another answer that waits for its client")

// Answer has write send an answer, which calls outgrown before its first byte leaves
// while there is more to read. An error of outgrown ends it, and it is written anew once
// there is a place; so write must have sent nothing by then.
func (s *Sessions) Answer(ctx context.Context, kind Kind, write func(outgrown func() error) error) error {
	p := &place{sessions: s, kind: kind}
	defer p.leave()
	if kind == Heavy {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	err := write(p.take)
	if !errors.Is(err, errNoPlace) {
		return err
	}
	if err := p.wait(ctx); err != nil {
		return err
	}
	return write(p.take)
}

// Write answers r with rows, as Answer does.
func (s *Sessions) Write(w http.ResponseWriter, r *http.Request, kind Kind, response stream.Response) error {
	return s.Answer(r.Context(), kind, func(outgrown func() error) error {
		response.Outgrown = outgrown
		return response.Write(w, r)
	})
}

type place struct {
	sessions *Sessions
	kind     Kind
	held     []bound
}

// bounds are those that the answer counts in, in the order in which all take
// them.
func (p *place) bounds() []bound {
	if p.kind == Long {
		return []bound{p.sessions.long, p.sessions.places}
	}
	return []bound{p.sessions.places}
}

func (p *place) take() error {
	if p.held != nil {
		return nil
	}
	for _, b := range p.bounds() {
		if !b.TryAcquire(1) {
			p.leave()
			return errNoPlace
		}
		p.held = append(p.held, b)
	}
	return nil
}

func (p *place) wait(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, p.sessions.wait)
	defer cancel()
	for _, b := range p.bounds() {
		if err := b.Acquire(bounded, 1); err != nil {
			p.leave()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return p.refusal(b, err)
		}
		p.held = append(p.held, b)
	}
	return nil
}

func (p *place) refusal(full bound, err error) error {
	what := "too many answers are being read: this server sends %d at once; try again later"
	if full == p.sessions.long {
		what = "too many answers of more than a day are being read: this server sends %d at once; try again later, or ask for a day at a time"
	}
	return problem.Busy(fmt.Sprintf(what, full.most), later, err)
}

func (p *place) leave() {
	for _, b := range p.held {
		b.Release(1)
	}
	p.held = nil
}

// Snapshot is a session in a transaction all of whose statements see the database as
// it is at the first one, and which can't write.
type Snapshot struct {
	pgx.Tx

	// Close gives the session back; it may be called again.
	Close func()
}

// Begin takes a session as Acquire does; the caller closes the snapshot.
func (s *Sessions) Begin(ctx context.Context) (*Snapshot, error) {
	session, err := s.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := session.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		session.Release()
		return nil, fmt.Errorf("begin a snapshot: %w", err)
	}
	return &Snapshot{tx, sync.OnceFunc(func() {
		_ = tx.Rollback(ctx) // nothing was written
		session.Release()
	})}, nil
}
