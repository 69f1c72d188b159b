// Package apiclient is what every client of the two APIs asks of an answer: that
// it is one which the contract promises. What stands between may answer in an
// API's stead, with a redirect, a page to log in, an error of its own, or take
// the trailers away; such an answer is an *Error, which says where it came from
// and what to do.
package apiclient

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/tracing"
)

// maxRedirects is how many redirects a question follows.
const maxRedirects = 5

// New returns a client whose writes follow no redirect that would make questions
// of them: the answer is the redirect then, which Expect refuses.
func New(transport http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: tracing.Transport(transport),
		Timeout:   timeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.Method != via[0].Method || len(via) > maxRedirects {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// Error is an answer that the contract does not promise. Another try would meet
// the same.
type Error struct{ text string }

// Error implements error.
func (e *Error) Error() string { return e.text }

// An API is one of the two, as messages call it.
type API struct{ name, variable, token string }

// Source is the source API.
func Source() API { return API{"source API", "SOURCE_API_URL", "SOURCE_API_TOKEN"} }

// Target is the target API.
func Target() API { return API{"target API", "TARGET_API_URL", "TARGET_API_TOKEN"} }

// Expect returns an *Error unless the answer is a 200, or a 202 to a write, of one
// of the media types.
func (a API) Expect(r *http.Response, media ...string) error {
	switch {
	case r.StatusCode == http.StatusOK, r.StatusCode == http.StatusAccepted && r.Request.Method == http.MethodPost:
	case r.StatusCode/100 == 3:
		return a.redirected(r)
	default:
		return a.errorf(r, "answered %s, which is not an answer of the %s", r.Status, a.name)
	}
	if got := mediaType(r); !slices.Contains(media, got) {
		return a.errorf(r, "answered %s with %s, not with %s as the %s does", r.Status, or(got, "no Content-Type"), strings.Join(media, " or "), a.name)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return a.errorf(r, "answered with the Content-Encoding %s, which was not asked for: something between Delfos and the %s changes its answers", clip(coding), a.name)
	}
	return nil
}

// isProblem reports whether an answer is an error of an API's own.
func isProblem(r *http.Response) bool { return mediaType(r) == "application/problem+json" }

func (a API) redirected(r *http.Response) error {
	to := "nowhere"
	if location, err := r.Location(); err == nil {
		to = place(location)
	}
	return a.errorf(r, "answered %s, a redirect to %s, which is not followed", r.Status, clip(to))
}

// NoTrailers is the error of an answer that ended cleanly, without what would
// show that it is whole.
func (a API) NoTrailers(r *http.Response) error {
	return a.errorf(r, "was answered without the trailers Content-Digest and Delfos-Rows: something between Delfos and the %s drops them, "+
		"and without them nothing shows that an answer is whole. Have it pass trailers on (nginx: proxy_pass_trailers), or go past it", a.name)
}

// errorf names the request, what came, where from, and the variable to look at.
func (a API) errorf(r *http.Response, format string, args ...any) *Error {
	return &Error{fmt.Sprintf("%s %s %s%s; %s has to be the address of the %s",
		r.Request.Method, place(r.Request.URL), fmt.Sprintf(format, args...), From(r), a.variable, a.name)}
}

// place is a URL without its query, and without its password.
func place(u *url.URL) string {
	short := *u
	short.RawQuery = ""
	return short.Redacted()
}

// From says in parentheses who sent an answer, as far as it tells, and by which
// proxy it came.
func From(r *http.Response) string {
	var parts []string
	for _, name := range []string{"Server", "Via"} {
		if value := r.Header.Get(name); value != "" {
			parts = append(parts, name+": "+clip(value))
		}
	}
	if through := through(r.Request.URL); through != "" {
		parts = append(parts, through)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// Through says in parentheses by which proxy a URL is asked for, "" for none.
func Through(address string) string {
	if u, err := url.Parse(address); err == nil {
		if text := through(u); text != "" {
			return " (" + text + ")"
		}
	}
	return ""
}

func through(u *url.URL) string {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return ""
	}
	return fmt.Sprintf("by the proxy %s, which %s_PROXY names; hosts in NO_PROXY are asked without it", proxy.Redacted(), strings.ToUpper(u.Scheme))
}

// Header is what closes an answer: its trailer, or the header by that name, where
// a server puts it that was asked over HTTP/1.0.
func Header(r *http.Response, name string) string {
	return or(r.Trailer.Get(name), r.Header.Get(name))
}

// mediaType is an answer's, without parameters.
func mediaType(r *http.Response) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return clip(r.Header.Get("Content-Type"))
	}
	return media
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// clip keeps an answer from growing its error.
func clip(s string) string {
	return string(bytes.ToValidUTF8([]byte(s[:min(len(s), 200)]), []byte("\uFFFD")))
}
