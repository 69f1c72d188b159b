package httpserve

import (
	"context"
	"net/http"
)

type requestKey struct{}

// WithRequest puts the request into its context: strict handlers see no more of
// it than their parameters, and need Accept, the method and the protocol's
// version.
func WithRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

// RequestOf is the request that WithRequest put into the context.
func RequestOf(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	return r
}
