package etl

import (
	"context"
	"fmt"
	"time"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/timestamp"
)

// Span is the first and the last day of some, both inclusive, at UTC midnight.
type Span struct{ First, Last time.Time }

// Sampled asks the source for the first and the last of the days from first to
// last that have samples, over all turbines; false if none has.
func (j *Job) Sampled(ctx context.Context, first, last time.Time) (Span, bool, error) {
	asked, start, end := true, timestamp.New(first), timestamp.New(extract.EndOf(last))
	turbines, err := j.source.Turbines(ctx, &sourceapi.ListTurbinesParams{Span: &asked, Start: &start, End: &end})
	if err != nil {
		return Span{}, false, fmt.Errorf("first and last sample of the source: %w", err)
	}
	span := spanOf(turbines)
	if span == nil {
		return Span{}, false, nil
	}
	return *span, true, nil
}

// spanOf is from the first to the last day of any turbine; nil if none has
// samples.
func spanOf(turbines []sourceapi.Turbine) *Span {
	var span *Span
	for _, turbine := range turbines {
		if turbine.First == nil || turbine.Last == nil {
			continue
		}
		first, last := dates.Of(*turbine.First), dates.Of(*turbine.Last)
		if span == nil {
			span = &Span{first, last}
		}
		span.First, span.Last = dates.Earlier(span.First, first), dates.Later(span.Last, last)
	}
	return span
}
