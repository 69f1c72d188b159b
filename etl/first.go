package etl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
)

// FirstSample asks the source for the instant of its first sample, over all
// turbines; it is not known while there is none.
func (j *Job) FirstSample(ctx context.Context) (at time.Time, known bool, err error) {
	s := j.source
	first, err := try(ctx, s.retry, s.log, func() (first time.Time, err error) {
		span := true
		response, err := s.client.ListTurbines(ctx, &sourceapi.ListTurbinesParams{Span: &span}, identity("application/json"))
		if err != nil {
			return first, away(ctx, err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return first, s.refusal(response)
		}
		var turbines []sourceapi.Turbine
		if err := json.NewDecoder(response.Body).Decode(&turbines); err != nil {
			return first, fmt.Errorf("%w: %w", errBroken, err)
		}
		for _, turbine := range turbines {
			if turbine.First != nil && (first.IsZero() || turbine.First.Before(first)) {
				first = turbine.First.UTC()
			}
		}
		return first, nil
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("first sample of the source: %w", err)
	}
	return first, !first.IsZero(), nil
}
