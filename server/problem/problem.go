// Package problem answers with errors as of RFC 9457, for both servers. A
// handler returns an error; this package alone decides which status and which
// words a client gets. An error that it does not know is a bland 500 with
// the request's id, and its cause stays in the log.
package problem

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/server/httpserve"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// Problem is the body; openapi.yaml declares it.
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Instance  string  `json:"instance,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	TraceID   string  `json:"trace_id,omitempty"`
	Errors    []Fault `json:"errors,omitempty"`
}

// Fault is what is wrong with one parameter.
type Fault struct {
	Parameter string  `json:"parameter"`
	Value     *string `json:"value,omitempty"` // as sent, if anything was
	Detail    string  `json:"detail"`
}

// Write answers r with err. When the answer has begun, all it can do is break
// it off.
func Write(w http.ResponseWriter, r *http.Request, err error) { write(dberror.Any, w, r, err) }

// Of is Write for a server that stands before a database, whose errors it names
// the remedy of.
func Of(database dberror.Database) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) { write(database, w, r, err) }
}

func write(database dberror.Database, w http.ResponseWriter, r *http.Request, err error) {
	if httpserve.Begun(r) {
		httpserve.Abort(r, err)
	}
	e := classify(database, err)
	if e.status >= http.StatusInternalServerError {
		httpserve.Note(r.Context(), database.Explain(err))
		httpserve.NoteCause(r.Context(), e.shared)
	}
	body, merr := json.Marshal(Problem{
		Type:      "about:blank",
		Title:     title(e.status),
		Status:    e.status,
		Detail:    e.detail,
		Instance:  httpserve.PathOf(r, r.URL.Path),
		RequestID: w.Header().Get(httpserve.RequestIDHeader),
		TraceID:   tracing.TraceID(r.Context()),
		Errors:    e.faults,
	})
	if merr != nil {
		// Strings and numbers alone: it can't fail.
		httpserve.Abort(r, merr)
	}
	h := w.Header()
	for _, name := range []string{"Trailer", "Content-Encoding", "Content-Disposition", "ETag", "Last-Modified", "Link"} {
		h.Del(name)
	}
	for name, value := range e.header {
		h.Set(name, value)
	}
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(e.status)
	_, _ = w.Write(append(body, '\n'))
}

// title is the status in the words of RFC 9110, of which net/http has an older
// one for 422.
func title(status int) string {
	if status == http.StatusUnprocessableEntity {
		return "Unprocessable Content"
	}
	return http.StatusText(status)
}

// Routes makes the router answer unknown paths and methods with problems. It
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
