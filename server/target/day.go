package target

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

// page is the days of a list, none if days is nil, with a Link to those before and
// after them.
type page struct {
	days *etl.Span
	link *string
}

// page is what from and to say together, both inclusive; see orchestrator.Page.
func (s *Server) page(ctx context.Context, from, to *openapi_types.Date) (page, error) {
	if from != nil && to != nil {
		if err := checkDays(from.Time, to.Time); err != nil {
			return page{}, err
		}
	}
	p, err := s.Control.Page(ctx, timeOf(from), timeOf(to))
	if err != nil {
		return page{}, err
	}
	var links []string
	for _, other := range []struct {
		rel  string
		days *etl.Span
	}{{"prev", p.Earlier}, {"next", p.Later}} {
		if other.days != nil {
			links = append(links, linkTo(httpserve.RequestOf(ctx), *other.days, other.rel))
		}
	}
	if len(links) == 0 {
		return page{days: p.Days}, nil
	}
	return page{p.Days, new(strings.Join(links, ", "))}, nil
}

// linkTo is one value of Link: the same list of other days.
func linkTo(asked *http.Request, days etl.Span, rel string) string {
	values := asked.URL.Query()
	values.Set("from", days.First.Format(time.DateOnly))
	values.Set("to", days.Last.Format(time.DateOnly))
	return httpserve.Link(asked, values, rel)
}

// checkDays refuses a range that is reversed, or longer than one request may
// ask for.
func checkDays(from, to time.Time) error {
	switch days := dates.Count(from, to); {
	case days < 1:
		return problem.BadRequest(fmt.Sprintf("from must not be later than to, and %s is later than %s",
			from.Format(time.DateOnly), to.Format(time.DateOnly)))
	case days > orchestrator.MaxDays:
		return problem.Parameters(problem.Invalid("to", to.Format(time.DateOnly),
			fmt.Sprintf("is %d days from from, %s, both included; at most %d are allowed", days, from.Format(time.DateOnly), orchestrator.MaxDays)))
	}
	return nil
}

// checkBelievable refuses days that are more often mistyped than meant.
func checkBelievable(now time.Time, from, to openapi_types.Date) error {
	var faults []problem.Fault
	for _, bound := range []struct {
		name string
		day  time.Time
	}{{"from", from.Time}, {"to", to.Time}} {
		if !dates.Believable(bound.day, now) {
			faults = append(faults, problem.Invalid(bound.name, bound.day.Format(time.DateOnly),
				fmt.Sprintf("is not a day %s; other days are taken with allow_dates true", dates.Believed(now))))
		}
	}
	if len(faults) > 0 {
		return problem.Parameters(faults...)
	}
	return nil
}

// timeOf is a day that may be missing.
func timeOf(day *openapi_types.Date) *time.Time {
	if day == nil {
		return nil
	}
	return &day.Time
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
