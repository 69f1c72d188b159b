package cli

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

// hindrances asks what keeps days from being loaded. Nothing rests on the answer:
// an API that can't tell is one without hindrances.
func (t *target) hindrances(ctx context.Context) []targetapi.Hindrance {
	a, err := ask[targetapi.Schedule](t, func(c *targetclient.Client) (*http.Response, error) { return c.GetSchedule(ctx) })
	if err != nil {
		return nil
	}
	return a.value.Hindrances
}

// ofRuns are the hindrances of runs that are queued already.
func ofRuns(all []targetapi.Hindrance) (found []targetapi.Hindrance) {
	for _, h := range all {
		if h.Cause != targetapi.SchedulePaused && h.Cause != targetapi.SourceSuspect {
			found = append(found, h)
		}
	}
	return found
}

// printHindrances says why nothing moves, a line each.
func (r *runner) printHindrances(hindrances []targetapi.Hindrance) error {
	for _, h := range hindrances {
		if err := r.print("hindered: %s", quoted(h.Detail, false)); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain is how often a command that waits asks why nothing moves.
const lookAgain = 10 * time.Second

// A watch tells the log why a run that is waited for does not move.
type watch struct {
	target *target
	asked  time.Time
	told   string
}

// look asks from time to time and tells what it has not told yet.
func (w *watch) look(ctx context.Context, r *runner) {
	if time.Since(w.asked) < lookAgain {
		return
	}
	w.asked = time.Now()
	var details []string
	for _, h := range ofRuns(w.target.hindrances(ctx)) {
		details = append(details, h.Detail)
	}
	text := strings.Join(details, " ")
	if text != "" && text != w.told {
		r.log.WarnContext(ctx, "the run does not move", "reason", text)
	}
	w.told = text
}
