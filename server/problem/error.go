package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/server/httpserve"
)

// Error is an error that a client may read whole.
type Error struct {
	status int
	detail string
	shared string // what other requests fail for as well, if anything
	faults []Fault
	header map[string]string
	cause  error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.detail + ": " + e.cause.Error()
	}
	return e.detail
}

// Unwrap returns the cause, which only the log sees.
func (e *Error) Unwrap() error { return e.cause }

// BadRequest says that the parameters contradict one another.
func BadRequest(detail string) *Error { return &Error{status: http.StatusBadRequest, detail: detail} }

// Unauthorized says why the client is nobody that the server knows; challenge is how
// to ask instead.
func Unauthorized(detail, challenge string) *Error {
	return &Error{status: http.StatusUnauthorized, detail: detail, header: map[string]string{"WWW-Authenticate": challenge}}
}

// IsUnauthorized reports whether an error is one of Unauthorized.
func IsUnauthorized(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.status == http.StatusUnauthorized
}

// Forbidden says what the client may not do; challenge is which scope it takes.
func Forbidden(detail, challenge string) *Error {
	return &Error{status: http.StatusForbidden, detail: detail, header: map[string]string{"WWW-Authenticate": challenge}}
}

// Uncheckable says that nobody can be told from nobody else for now; the log has
// the cause.
func Uncheckable(found string, cause error) *Error { return later(found, cause) }

// Conflict says that what is there can't take what is asked of it.
func Conflict(detail string) *Error { return &Error{status: http.StatusConflict, detail: detail} }

// UnsupportedMediaType says which media type a body must have.
func UnsupportedMediaType(contentType, want string) *Error {
	detail := "there is no Content-Type; want " + want
	if contentType != "" {
		detail = fmt.Sprintf("Content-Type is %s; want %s", clip(contentType), want)
	}
	return &Error{status: http.StatusUnsupportedMediaType, detail: detail, header: map[string]string{"Accept": want}}
}

// NotFound says that there is nothing at the path.
func NotFound(path string) *Error {
	return &Error{status: http.StatusNotFound, detail: "there is nothing at " + path}
}

// MethodNotAllowed says which methods the path has.
func MethodNotAllowed(method, path string, allow []string) *Error {
	return &Error{status: http.StatusMethodNotAllowed, detail: method + " is not allowed at " + path, header: map[string]string{"Allow": strings.Join(allow, ", ")}}
}

// NotAcceptable says which media types are on offer.
func NotAcceptable(accept string, onOffer []string) *Error {
	return notOnOffer("Accept", "Accept", accept, onOffer)
}

// NotAcceptableCoding says which content codings are on offer.
func NotAcceptableCoding(acceptEncoding, onOffer []string) *Error {
	return notOnOffer("Accept-Encoding", "Accept, Accept-Encoding", strings.Join(acceptEncoding, ","), onOffer)
}

func notOnOffer(header, vary, asked string, onOffer []string) *Error {
	detail := fmt.Sprintf("%s: %s can't be had here; on offer is %s", header, clip(asked), strings.Join(onOffer, ", "))
	return &Error{status: http.StatusNotAcceptable, detail: detail, header: map[string]string{"Vary": vary}}
}

// Parameters says what is wrong with each of the parameters; there must be at
// least one fault.
func Parameters(faults ...Fault) *Error {
	sentences := make([]string, len(faults))
	for i, f := range faults {
		sentences[i] = f.String()
	}
	return &Error{status: http.StatusUnprocessableEntity, detail: strings.Join(sentences, "; "), faults: faults}
}

// Missing is the fault of a parameter that must be there and is not.
func Missing(parameter string) Fault { return Fault{Parameter: parameter, Detail: "is required"} }

// Unknown is the fault of a parameter whose name is the client's own, or of one
// that is wrong as a whole; detail completes the sentence that begins with it.
func Unknown(parameter, detail string) Fault {
	return Fault{Parameter: clip(parameter), Detail: detail}
}

// Invalid is the fault of a parameter with a value that is not allowed; detail
// completes the sentence that begins with both.
func Invalid(parameter, value, detail string) Fault {
	value = clip(value)
	return Fault{Parameter: parameter, Value: &value, Detail: detail}
}

// String returns the fault as a sentence.
func (f Fault) String() string {
	name := f.Parameter
	if quoted := strconv.Quote(name); name == "" || quoted != `"`+name+`"` {
		name = quoted // one that can't be read in a sentence
	}
	if f.Value == nil {
		return name + " " + f.Detail
	}
	return fmt.Sprintf("%s %q %s", name, *f.Value, f.Detail)
}

// Unavailable says that the database is away for now.
func Unavailable(cause error) *Error { return later("the database does not answer", cause) }

// SourceUnavailable says that the source API, which the answer takes, is away
// for now.
func SourceUnavailable(cause error) *Error { return later("the source API does not answer", cause) }

// NotReady says why the server can't answer now. It is a 503 even if somebody has
// to do something first, because who asks looks again whatever the cause.
func NotReady(database dberror.Database, cause error) *Error {
	e := classify(database, cause)
	if e.status == http.StatusServiceUnavailable {
		return e
	}
	return unavailable(e.detail, e.shared, shortly, cause)
}

// TooMany says what a client has too much of, and when to come back.
func TooMany(detail string, after time.Duration) *Error {
	return &Error{status: http.StatusTooManyRequests, detail: detail, header: retryAfter(after)}
}

// Busy says what there is too much of for now, and when to come back.
func Busy(detail string, after time.Duration, cause error) *Error {
	return unavailable(detail, "", after, cause)
}

// later says what keeps the server from an answer, and that it may pass.
func later(found string, cause error) *Error {
	return unavailable(found+"; try again shortly", found, shortly, cause)
}

const (
	shortly = 2 * time.Second
	// applied is for what somebody is about to do, as in an upgrade.
	applied = 10 * time.Second
)

func unavailable(detail, shared string, after time.Duration, cause error) *Error {
	return &Error{status: http.StatusServiceUnavailable, detail: detail, shared: shared, header: retryAfter(after), cause: cause}
}

func retryAfter(after time.Duration) map[string]string {
	return map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}
}

// clip keeps what a client sent from growing its answer and the log.
func clip(s string) string {
	const most = 120
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// classify finds what a client is told of err, which may be one of the database
// that the server stands before: the one table from error to status.
func classify(database dberror.Database, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*httpserve.ForbiddenError](err); ok {
		return &Error{status: http.StatusForbidden, detail: e.Detail}
	}
	m := database.Of(err)
	switch m.Class {
	case dberror.Again, dberror.Away, dberror.Cancelled:
		return later(m.Found, err)
	case dberror.Outdated:
		// As in an upgrade, before the schema is applied.
		return unavailable(m.Found+"; "+m.Remedy, m.Found, applied, err)
	case dberror.Never:
		// Not 503, which promises that it passes.
		return &Error{status: http.StatusInternalServerError, detail: strings.TrimSuffix(m.Found+"; "+m.Remedy, "; "), shared: m.Found, cause: err}
	case dberror.Refused:
		return &Error{status: http.StatusUnprocessableEntity, detail: m.Found + "; " + m.Remedy, cause: err}
	case dberror.Unknown:
	}
	return &Error{status: http.StatusInternalServerError, detail: "the server failed to answer; its log has the cause under the request's id", cause: err}
}
