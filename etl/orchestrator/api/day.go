package api

import (
	"context"
	"fmt"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/problem"
)

// days is what from and to say together, both inclusive. Without from it is the
// first day that there is anything to say of, without to the last, or yesterday
// if that is later. empty says that there are no such days: nothing is known yet,
// or all that is lies beyond the end that was given.
func (s *Server) days(ctx context.Context, from, to *openapi_types.Date) (first, last time.Time, empty bool, err error) {
	if from == nil || to == nil {
		earliest, latest, known, err := s.Control.Range(ctx)
		if err != nil {
			return first, last, false, err
		}
		if yesterday := s.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour); yesterday.After(latest) {
			latest = yesterday
		}
		first, last = earliest, latest
		empty = from == nil && !known
	}
	if from != nil {
		first = from.Time
	}
	if to != nil {
		last = to.Time
	}
	if empty || last.Before(first) && (from == nil || to == nil) {
		return first, last, true, nil
	}
	return first, last, false, checkDays(first, last)
}

// checkDays refuses a range that is reversed, or longer than one request may
// ask for.
func checkDays(from, to time.Time) error {
	switch days := to.Unix()/86_400 - from.Unix()/86_400 + 1; {
	case days < 1:
		return problem.BadRequest(fmt.Sprintf("from must not be later than to, and %s is later than %s",
			from.Format(time.DateOnly), to.Format(time.DateOnly)))
	case days > orchestrator.MaxDays:
		return problem.Parameters(problem.Invalid("to", to.Format(time.DateOnly),
			fmt.Sprintf("is %d days from from, %s, both included; at most %d are allowed", days, from.Format(time.DateOnly), orchestrator.MaxDays)))
	}
	return nil
}

// dateOf is a day as the generated types have it.
func dateOf(day time.Time) openapi_types.Date { return openapi_types.Date{Time: day} }

// dateOfPointer is one that may be missing.
func dateOfPointer(day *time.Time) *openapi_types.Date {
	if day == nil {
		return nil
	}
	return &openapi_types.Date{Time: *day}
}
