package orchestrator

import (
	"context"
	"sync"
	"time"
)

// feed wakes whoever follows events in this process.
type feed struct {
	mu   sync.Mutex
	news chan struct{}
}

func newFeed() *feed { return &feed{news: make(chan struct{})} }

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
