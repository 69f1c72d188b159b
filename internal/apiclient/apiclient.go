// Package apiclient is what every client of the two APIs asks of an answer: that
// it is one which the contract promises. What stands between may answer in an
// API's stead, with a redirect, a page to log in, an error of its own, or take
// the trailers away; such an answer is an *Error, which says where it came from
// and what to do.
package apiclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"reflect"
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

// Error is an answer that the contract does not promise. Another try would meet the same.
type Error struct{ text string }

// Error implements error.
func (e *Error) Error() string { return e.text }

// An API is one of the two, as messages call it.
type API struct{ name, variable, token string }

// Source is the source API.
func Source() API { return API{"source API", "SOURCE_API_URL", "SOURCE_API_TOKEN"} }

// Target is the target API.
func Target() API { return API{"target API", "TARGET_API_URL", "TARGET_API_TOKEN"} }

// Expect returns an *Error unless the answer is a 200, or a 202 to a write, of a media type.
func (a API) Expect(r *http.Response, media ...string) error {
	switch {
	case r.StatusCode == http.StatusOK, r.StatusCode == http.StatusAccepted && r.Request.Method == http.MethodPost:
	case r.StatusCode/100 == 3:
		return a.redirected(r)
	default:
		return a.errorf(r, "answered %s, which is not an answer of the %s", r.Status, a.name)
	}
	if got := mediaType(r); !slices.Contains(media, got) {
		return a.errorf(r, "answered %s with %s, not with %s as the %s does", r.Status, cmp.Or(got, "no Content-Type"), strings.Join(media, " or "), a.name)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return a.errorf(r, "answered with the Content-Encoding %s, which was not asked for: something between Delfos and the %s changes its answers", clip(coding), a.name)
	}
	return nil
}

func isProblem(r *http.Response) bool { return mediaType(r) == "application/problem+json" }

func (a API) redirected(r *http.Response) error {
	to := "nowhere"
	if location, err := r.Location(); err == nil {
		to = place(location)
	}
	return a.errorf(r, "answered %s, a redirect to %s, which is not followed", r.Status, clip(to))
}

// NoTrailers is the error of an answer that ended cleanly, but does not show that it is whole.
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

// From says in parentheses who sent an answer, and by which proxy it came.
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

// Header is what closes an answer: its trailer or, over HTTP/1.0, the header by that name.
func Header(r *http.Response, name string) string {
	return cmp.Or(r.Trailer.Get(name), r.Header.Get(name))
}

func mediaType(r *http.Response) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return clip(r.Header.Get("Content-Type"))
	}
	return media
}

// clip keeps an answer from growing its error.
func clip(s string) string {
	return string(bytes.ToValidUTF8([]byte(s[:min(len(s), 200)]), []byte("\uFFFD")))
}

// Decode reads a body into a type of the contract, and is an *Error unless all that the contract
// requires is there: encoding/json takes any object for any type, and leaves zeros.
func (a API) Decode(r *http.Response, body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return a.errorf(r, "answered with JSON that is not the %s's: %v", a.name, err)
	}
	if missing := missing(reflect.TypeOf(v).Elem(), body); missing != "" {
		return a.errorf(r, "answered with JSON that is not the %s's: %s", a.name, missing)
	}
	return nil
}

// missing names the first property that the contract requires and text, JSON that fits t, lacks; ""
// for none. Required is a field that is neither a pointer nor left out when empty.
func missing(t reflect.Type, text json.RawMessage) string {
	if string(text) == "null" {
		if t.Kind() == reflect.Pointer || t == reflect.TypeFor[json.RawMessage]() {
			return ""
		}
		return "null where there should be a value"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch kind := t.Kind(); {
	case isLeaf(t):
		return ""
	case kind == reflect.Struct:
		return missingOf(t, text)
	case kind == reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(text, &items); err != nil {
			return err.Error()
		}
		for i, item := range items {
			if found := missing(t.Elem(), item); found != "" {
				return fmt.Sprintf("%s of item %d", found, i)
			}
		}
	}
	return ""
}

// isLeaf reports whether a type reads itself, or is whatever JSON there is.
func isLeaf(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		t == reflect.TypeFor[json.RawMessage]()
}

func missingOf(t reflect.Type, text json.RawMessage) string {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(text, &properties); err != nil {
		return err.Error()
	}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, ok := properties[name]
		switch {
		case !ok && !strings.Contains(options, "omitempty"):
			return name + " is missing"
		case !ok || string(value) == "null" && strings.Contains(options, "omitempty"):
			continue
		}
		if found := missing(field.Type, value); found != "" {
			return fmt.Sprintf("%s in %s", found, name)
		}
	}
	return ""
}

// A Token is what a client says who it is by: the token itself or, without one, a file with it.
type Token struct{ Value, File string }

// Authorize returns what adds a token to each request for an API, but not to one that an answer leads
// to another host with. A file is read each time, so that the token in it may change.
func (a API) Authorize(t Token) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		value := t.Value
		if value == "" && t.File != "" {
			text, err := os.ReadFile(t.File)
			if err != nil {
				return &Error{fmt.Sprintf("read the token for the %s, which %s_FILE names: %v", a.name, a.token, err)}
			}
			if value = strings.TrimSpace(string(text)); value == "" {
				return &Error{fmt.Sprintf("%s_FILE is %s, which is empty: want a token for the %s", a.token, t.File, a.name)}
			}
		}
		if value != "" {
			r.Header.Set("Authorization", "Bearer "+value)
		}
		return nil
	}
}

// Detail is the sentence of a problem, or where an answer came from that is none. If
// it is about the client's token, it says how to have another.
func (a API) Detail(r *http.Response, body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if isProblem(r) {
		_ = json.Unmarshal(body, &problem) // without a detail it is as good as none
	}
	text := cmp.Or(problem.Detail, fmt.Sprintf("%s %s was answered with %s, not with a problem of the API's%s",
		r.Request.Method, place(r.Request.URL), cmp.Or(mediaType(r), "no Content-Type"), From(r)))
	if strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer ") {
		text += fmt.Sprintf("; set %s, or %s_FILE, to a token for the %s that may do this", a.token, a.token, a.name)
	}
	return text
}
