package orchestrator

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// lingering is how long a job that has ended still counts as in hand: River may
// need a moment to write down how it ended.
const lingering = 10 * time.Second

// inHand knows the jobs that this process works on.
type inHand struct {
	mu   sync.Mutex
	jobs map[int64]*time.Time // when the job ended; nil while it has not
}

func newInHand() *inHand { return &inHand{jobs: map[int64]*time.Time{}} }

// take enters a job, until the function returned is called.
func (h *inHand) take(id int64) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jobs[id] = nil
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.jobs[id] = new(time.Now())
	}
}

// list returns the jobs in hand.
func (h *inHand) list() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.jobs, func(_ int64, ended *time.Time) bool {
		return ended != nil && time.Since(*ended) > lingering
	})
	return slices.AppendSeq([]int64{}, maps.Keys(h.jobs)) // Never nil, which would be NULL.
}
