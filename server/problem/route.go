package problem

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
)

// Routes has the router answer unknown paths and methods with problems. It
// goes before the routes, so that groups inherit it.
func Routes(r chi.Router) {
	r.NotFound(func(w http.ResponseWriter, req *http.Request) { Write(w, req, NotFound(req.URL.Path)) })
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		allow := allowed(r, req.URL.Path)
		if len(allow) == 0 {
			// chi says so of a method that it does not know, whatever the path.
			Write(w, req, NotFound(req.URL.Path))
			return
		}
		Write(w, req, MethodNotAllowed(req.Method, req.URL.Path, allow))
	})
}

// allowed are the methods that the router has for a path. HEAD goes wherever
// GET does.
func allowed(r chi.Router, path string) []string {
	var allow []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		if r.Match(chi.NewRouteContext(), method, path) ||
			method == http.MethodHead && slices.Contains(allow, http.MethodGet) {
			allow = append(allow, method)
		}
	}
	return allow
}
