package orchestrator

import (
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/delfos/delfos/etl"
)

// The policy of retries. What only time can mend is tried again for most of a
// day, with waits that double up to longestWait; readings of single turbines
// that can't be had are tried patience times, as the rest of their day is
// loaded. All else fails at once: it would only fail again.
const (
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	patience    = 5
)

// next is how long to wait before the job's next attempt, or false if there is
// to be none. attempt counts from 1.
func next(err error, jobID int64, attempt int) (time.Duration, bool) {
	var broken *etl.BrokenError
	switch {
	case attempt >= maxAttempts, !etl.Temporary(err):
		return 0, false
	case errors.As(err, &broken) && attempt >= patience:
		return 0, false
	}
	return wait(jobID, attempt), true
}

// wait doubles with each attempt, and is up to a quarter longer by the job, so
// that those that failed together don't come back together. The ledger and River
// both ask, and get the same answer.
func wait(jobID int64, attempt int) time.Duration {
	d := longestWait
	if shift := max(attempt, 1) - 1; shift < 16 {
		d = min(firstWait<<shift, longestWait)
	}
	h := fnv.New32a()
	_, _ = h.Write(strconv.AppendInt(strconv.AppendInt(nil, jobID, 10), int64(attempt), 10))
	return d + d/4*time.Duration(h.Sum32()%1000)/1000
}
