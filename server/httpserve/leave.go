package httpserve

import (
	"context"
	"net/http"
)

type leavingKey struct{}

// Leaving reports whether the server of a request has been told to stop and
// answers for a while yet (SHUTDOWN_DELAY), so that whoever sends it requests can
// take notice: /ready says no from then on.
func Leaving(ctx context.Context) bool {
	leaving, _ := ctx.Value(leavingKey{}).(<-chan struct{})
	select {
	case <-leaving:
		return true
	default: // also when there is no such channel
		return false
	}
}

// parting has clients open a new connection for their next request once the server
// is about to stop: by then it may go to another.
func parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Leaving(r.Context()) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
