package etl

import (
	"context"
	"fmt"
	"sync"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/internal/selector"
)

// turbines are the source's, ascending.
type turbines struct {
	wanted []int32 // those that a request selects
	all    []int32
}

// turbines returns the source's turbines that are selected, and all of them.
func (j *Job) turbines(ctx context.Context, selected selector.Set) (turbines, error) {
	all, err := j.source.TurbineIDs(ctx)
	if err != nil {
		return turbines{}, err
	}
	t := turbines{all: all}
	for _, id := range all {
		if selected.Contains(id) {
			t.wanted = append(t.wanted, id)
		}
	}
	if len(t.wanted) == 0 && !selected.All() {
		return turbines{}, fmt.Errorf("turbines %s: the source has none of them", selected)
	}
	return t, nil
}

// survey is what the source says of a claimed day before its samples are read,
// and by which rules they will be checked, asked while the target's transaction is opened. Each waits for its answer.
type survey struct {
	turbines func() (turbines, error)
	digest   func() (dayDigest, error)
	rules    func() (check.Rules, error)
	end      func() // ends what is still being asked
}

// survey asks for the turbines, and for the day's digest if it may tell that
// nothing has changed.
func (j *Job) survey(ctx context.Context, r Request, c *claim) survey {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	s := survey{
		turbines: sync.OnceValues(func() (turbines, error) { return j.turbines(ctx, r.Turbines) }),
		digest:   sync.OnceValues(func() (dayDigest, error) { return digest(ctx, j.source, c.day) }),
		rules:    sync.OnceValues(func() (check.Rules, error) { return j.rules(ctx, r) }),
	}
	asking.Go(func() {
		if _, err := s.turbines(); err == nil && c.loaded() {
			_, _ = s.digest() // whoever wants it gets the error too
		}
	})
	if !c.loaded() { // else there may be nothing to check
		asking.Go(func() { _, _ = s.rules() })
	}
	s.end = func() {
		cancel()
		asking.Wait()
	}
	return s
}
