package orchestrator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/dates"
)

const (
	// answerLasts is how long an answer about the first and the last sample counts,
	// while a different one would matter.
	answerLasts = time.Minute
	// askTimeout bounds the question, so that a source that is away holds nobody
	// up.
	askTimeout = 3 * time.Second
)

// Contact is how this process found the source API when it asked it last.
type Contact struct {
	At  time.Time
	Err error // why it did not answer
}

// heard notes whether the source answered. An error of another kind tells nothing of it.
func (o *origin) heard(now time.Time, err error) {
	if err == nil || errors.Is(err, extract.ErrAway) {
		o.contact.Store(&Contact{now, err})
	}
}

// origin knows the first day that the schedule loads, and which days have samples.
// Days that can't be believed (package dates) are passed over: because of a sample
// of year 1 the schedule would load ages.
type origin struct {
	config Config

	// What Status reads while somebody may be asking.
	last    atomic.Pointer[etl.Span] // samples
	contact atomic.Pointer[Contact]  // the last with the source; nil before the first

	mu      sync.Mutex
	samples *etl.Span  // the source's; nil while unknown, or there are none
	askedAt *time.Time // nil before the first time
	failing bool
}

// first is the first day to load, or not known while the source has no samples. Whether a
// day from need on is one to load has to be right, and no more: so the source is asked
// again only while its first sample is later. If it gives no answer, the first day that
// was ever loaded stands in.
func (o *origin) first(ctx context.Context, now, need time.Time) (day time.Time, known bool, err error) {
	if start := o.config.Schedule.PartitionStart; start != nil {
		return *start, true, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.samples == nil || o.samples.First.After(need) {
		o.ask(ctx, now)
	}
	if o.samples != nil {
		return o.samples.First, true, nil
	}
	if !o.failing {
		return time.Time{}, false, nil
	}
	ledger, err := ledgerRange(ctx, o.config.Target, etl.Span{First: dates.Earliest(), Last: dates.Latest(now)}, false)
	if err != nil || ledger == nil {
		return time.Time{}, false, err
	}
	return ledger.First, true, nil
}

// sampled is the first and the last day of which the source has samples, as it says
// now or said the last time; nil if it has none, or did not answer.
func (o *origin) sampled(ctx context.Context, now time.Time, ask bool) *etl.Span {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ask {
		o.ask(ctx, now)
	}
	return o.samples
}

// ask asks the source anew, unless it was asked a moment ago.
func (o *origin) ask(ctx context.Context, now time.Time) {
	if o.askedAt != nil && now.Sub(*o.askedAt) >= 0 && now.Sub(*o.askedAt) < answerLasts {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	samples, known, err := o.config.Job.Sampled(bounded, dates.Earliest(), dates.Latest(now))
	if ctx.Err() != nil {
		return
	}
	o.askedAt = &now
	o.heard(now, err)
	if err != nil && !o.failing {
		o.config.Log.WarnContext(ctx, "asking the source for its first and last sample failed; trying again", "error", err)
	}
	o.failing = err != nil
	switch {
	case err != nil:
	case known:
		o.samples = &samples
	default:
		o.samples = nil
	}
	o.last.Store(o.samples)
}
