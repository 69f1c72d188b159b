package apiclient

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// A Token is what a client says who it is by: the token itself or, without one, the
// file that holds it. The zero Token says nothing.
type Token struct{ Value, File string }

// Authorize returns what adds a token to each request for an API. A file is read each
// time, so that the token in it may change. An answer that leads to another host is
// followed without it.
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
	text := detail(r, body)
	if strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer ") {
		text += fmt.Sprintf("; set %s, or %s_FILE, to a token for the %s that may do this", a.token, a.token, a.name)
	}
	return text
}
