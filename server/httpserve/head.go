package httpserve

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// HeadAsGet is a middleware of a chi router that sends HEAD wherever GET goes;
// the router has no routes of HEAD's own. chi's package of middlewares has the
// like, and links profilers and templates into every command.
func HeadAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}
