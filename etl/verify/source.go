package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/apiclient"
)

// width is the length of a window, which starts at a multiple of it.
const width = 10 * time.Minute

// readings are those of one window, by variable.
type readings struct {
	start  time.Time
	values [variable.Count][]float64
}

// read returns the readings of a turbine's day by window, in order of time.
func read(ctx context.Context, client *extract.Client, day time.Time, turbine int32) ([]readings, error) {
	return extract.Try(ctx, client, func() (windows []readings, err error) {
		rows, last := 0, time.Time{}
		for sample, err := range client.Samples(ctx, day, []int32{turbine}) {
			if err != nil {
				return nil, err
			}
			rows++
			at := time.UnixMicro(sample.At).UTC()
			if rows > 1 && !at.After(last) {
				return nil, fmt.Errorf("row %d: timestamp is %s: want one after the row before", rows, at.Format(time.RFC3339Nano))
			}
			last = at
			if start := at.Truncate(width); len(windows) == 0 || !windows[len(windows)-1].start.Equal(start) {
				windows = append(windows, readings{start: start})
			}
			w := &windows[len(windows)-1]
			for i, x := range sample.Readings {
				switch {
				case math.IsInf(x, 0):
					return nil, fmt.Errorf("row %d: %s is %v: want a finite number", rows, variable.Names[i], x)
				case !math.IsNaN(x):
					w.values[i] = append(w.values[i], x)
				}
			}
		}
		return windows, nil
	})
}

// digest returns the source's digest of a day over all turbines, as the ledger
// keeps it; known is false when the API is an older one that has none.
func digest(ctx context.Context, client *extract.Client, day time.Time) (sum int64, known bool, err error) {
	turbines, err := client.Digests(ctx, day, day)
	if errors.Is(err, extract.ErrNoDigests) {
		return 0, false, nil
	}
	for _, d := range turbines {
		sum ^= d.Hash
	}
	return sum, true, err
}

// ofTurbine reports whether an error is of what one turbine's answer holds, not of
// the API as a whole.
func ofTurbine(ctx context.Context, err error) bool {
	status, refused := errors.AsType[*extract.StatusError](err)
	_, foreign := errors.AsType[*apiclient.Error](err)
	refused = refused && status.Code < http.StatusInternalServerError
	return ctx.Err() == nil && !refused && !foreign && !errors.Is(err, extract.ErrAway)
}
