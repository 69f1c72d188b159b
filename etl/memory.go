package etl

import (
	"sync"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/internal/signal"
)

// The windows of a group are 700 KB; those of the next one may take their place.
//
//nolint:gochecknoglobals // As above; what is in a pool belongs to nobody.
var aggregators = sync.Pool{New: func() any { return window.NewAggregator(len(signal.Variables)) }}

func takeAggregator() *window.Aggregator {
	a, ok := aggregators.Get().(*window.Aggregator)
	if !ok {
		a = window.NewAggregator(len(signal.Variables))
	}
	return a
}

// free gives the memory of the group's windows back once they are loaded: it
// has none from then on. A group that is dropped need not be freed.
func (g *group) free() {
	for _, a := range g.memory {
		a.Reset()
		aggregators.Put(a)
	}
	g.memory, g.series = nil, nil
}
