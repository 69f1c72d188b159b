package etl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/selector"
)

// ErrCalledOff is wrapped when nobody asks for a day any more: what its attempt
// would have committed is rolled back.
var ErrCalledOff = errors.New("the day was called off")

// Order says on whose behalf a partition is loaded.
type Order struct {
	// RunID is the run of the attempt.
	RunID int64
	// AllowEmpty says that this run lets values be removed that the source no
	// longer has samples for, however many they are.
	AllowEmpty bool
	// Settle, if there are others to tell than the run, records how the attempt ended for those who asked, in the
	// transaction that also writes the values and the ledger. It returns when a
	// failed attempt will be made again, nil when it will not be. An error rolls
	// all of it back.
	Settle func(context.Context, pgx.Tx, Settlement) (again *time.Time, err error)
}

// Settlement is how an attempt ended.
type Settlement struct {
	Day       time.Time
	Token     int64
	StartedAt time.Time
	Outcome   enum.Outcome
	Err       error // of an attempt that failed or was cancelled
}

// Load brings one day of the target to what the source holds of all its
// turbines, as a command's run does. A day without samples is a success if the
// target has none of it, or if the order allows to remove what it has.
func (j *Job) Load(ctx context.Context, day time.Time, o Order) (Partition, error) {
	p, err := j.partition(ctx, Request{
		From: day, To: day, Turbines: selector.All(), AllowEmpty: o.AllowEmpty, mayBeEmpty: true, extracted: func() {},
	}, day, o)
	return p, explain(err)
}

// own tells whether nobody but the attempt's own run is to be told: a command's,
// which does not try again.
func (o Order) own() bool { return o.Settle == nil }

// settle records how an attempt ended for those who asked.
func (c *claim) settle(ctx context.Context, tx pgx.Tx, outcome enum.Outcome, cause error) (again *time.Time, err error) {
	if c.order.own() {
		_, err = targetdb.New(tx).SettleRunPartition(ctx, targetdb.SettleRunPartitionParams{
			RunID: c.order.RunID, Day: c.day, Token: &c.token, Outcome: outcome,
		})
	} else {
		again, err = c.order.Settle(ctx, tx, Settlement{
			Day: c.day, Token: c.token, StartedAt: c.taken.StartedAt, Outcome: outcome, Err: cause,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("settle the day for those who asked: %w", err)
	}
	return again, nil
}

// Temporary tells whether a failed day may succeed when nothing but time has
// passed: a server is away or gave up, the worker was too slow. What the source
// refuses, a row that breaks the contract, and what somebody has to mend first
// stay as they are.
func Temporary(err error) bool {
	if extract.Retriable(err) || errors.Is(err, ErrClaimLost) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	class := meaning(err).Class
	return class == dberror.Again || class == dberror.Away
}
