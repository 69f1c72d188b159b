// Package await waits in tests until something holds. It waits no longer once
// the test has failed meanwhile, as by a goroutine that reports the end of what
// is waited for.
package await

import (
	"testing"
	"time"
)

// patience is longer than any condition takes to hold on a slow machine: it only
// ends a test that has failed.
const patience = 5 * time.Minute

// True waits until the condition holds.
func True(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	Value(tb, what, func() (bool, bool) {
		ok := holds()
		return ok, ok
	})
}

// Value looks until what it sees is what the test waits for, and returns that.
func Value[T any](tb testing.TB, what string, look func() (seen T, ok bool)) T {
	tb.Helper()
	failed := tb.Failed()
	for deadline := time.Now().Add(patience); ; {
		begun := time.Now()
		seen, ok := look()
		if ok {
			return seen
		}
		if tb.Failed() && !failed {
			tb.Fatalf("the test failed while it waited for: %s; last seen: %+v", what, seen)
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waited %s for: %s; last seen: %+v", patience, what, seen)
		}
		// What is waited for needs the cores more than a look at a database does.
		time.Sleep(min(max(5*time.Millisecond, 10*time.Since(begun)), 50*time.Millisecond))
	}
}
