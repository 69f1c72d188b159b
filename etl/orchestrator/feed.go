package orchestrator

import (
	"context"
	"sync"
	"time"

	"github.com/delfos/delfos/gen/targetdb"
)

// feed wakes whoever follows events in this process, and reads for them.
type feed struct {
	mu      sync.Mutex
	news    chan struct{}
	readers chan struct{} // a token each
}

func newFeed() *feed {
	return &feed{news: make(chan struct{}), readers: make(chan struct{}, eventReaders)}
}

// read returns a page of the events after one.
func (f *feed) read(ctx context.Context, db *targetdb.Queries, after int64) ([]targetdb.ReadEventsRow, error) {
	select {
	case f.readers <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-f.readers }()
	return db.ReadEvents(ctx, targetdb.ReadEventsParams{After: after, Count: eventPage}) //nolint:wrapcheck // The caller says what was being read.
}

// next is closed at the next wake.
func (f *feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.news)
	f.news = make(chan struct{})
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
