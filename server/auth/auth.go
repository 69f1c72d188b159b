// Package auth decides who a client is and what it may do, for both servers.
//
//	auth.go   the gate before every operation: who asks, whether the scope is enough, and
//	          how much each client may ask for at once
//	token.go  the tokens of `delfos token`, kept hashed in a file
//	oidc.go   the JWTs of an OIDC issuer
//
// Which scope an operation takes is said by `security` in openapi.yaml and stands
// in the generated table of operations.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// Scope is what a client may do. Each includes those before it.
type Scope = targetapi.AccessScope

const (
	// Cookie is the name of a browser's session; openapi.yaml has it too.
	Cookie = "delfos_session"
	// streamTime is how long a stream may go on until its client is asked again: a browser
	// may have no session any more.
	streamTime = 5 * time.Minute
	// lookEvery is how often the token of a stream's client is looked at.
	lookEvery     = 5 * time.Second
	authorization = "Authorization"
)

// Scopes are all, the least first.
func Scopes() []Scope { return []Scope{targetapi.Read, targetapi.Operate, targetapi.Admin} }

func includes(scope, need Scope) bool {
	return slices.Index(Scopes(), scope) >= slices.Index(Scopes(), need)
}

// Client is who asks.
type Client struct {
	Actor   string    // what ledger, events and log call it
	Scope   Scope     // empty: none
	Expires time.Time // of its token; zero: never
}

// Config says whose tokens are taken.
type Config struct {
	TokensFile       string // of `delfos token`; empty: none
	Issuer, Audience string // of JWTs; empty: none are taken
}

// A Gate asks clients who they are. A nil Gate asks nobody.
type Gate struct {
	tokens *tokens
	issuer *issuer
}

// Open returns the gate of a configuration, nil if it names no tokens. The error is of
// the file of tokens, or of an issuer without an audience, which need not answer yet.
func Open(c Config) (*Gate, error) {
	if (c.Issuer == "") != (c.Audience == "") {
		return nil, errors.New("OIDC_ISSUER and OIDC_AUDIENCE need each other: set both, or neither")
	}
	g := &Gate{}
	if c.TokensFile != "" {
		g.tokens = &tokens{path: c.TokensFile}
		if _, err := g.tokens.current(); err != nil {
			return nil, err
		}
	}
	if c.Issuer != "" {
		g.issuer = &issuer{url: c.Issuer, audience: c.Audience, client: &http.Client{Timeout: issuerTimeout}}
	}
	if g.tokens == nil && g.issuer == nil {
		return nil, nil //nolint:nilnil // A gate that asks nobody.
	}
	return g, nil
}

// Check refuses to listen where other machines can reach a server that asks nobody,
// unless that is wanted. variable is the name of the address.
func (g *Gate) Check(variable, addr string, insecure bool) error {
	host, _, err := net.SplitHostPort(addr)
	ip, notIP := netip.ParseAddr(host)
	if g != nil || insecure || err == nil && (host == "localhost" || notIP == nil && ip.Unmap().IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s is %s, which other machines can reach, and nobody would be asked who they are: "+
		"set AUTH_TOKENS_FILE to a file that `delfos token create` has made, or say --insecure to let everybody do everything", variable, addr)
}

// Hook returns what lets those through to an operation whose scope is enough; fail
// answers the others.
func (g *Gate) Hook(fail func(http.ResponseWriter, *http.Request, error)) func(param.Operation, http.Handler) http.Handler {
	return func(o param.Operation, next http.Handler) http.Handler {
		if slices.Contains(o.Produces, "text/event-stream") {
			next = g.bounded(Scope(o.Scope), next)
		}
		return g.Require(Scope(o.Scope), fail, next)
	}
}

// Require lets those through to next whose scope is enough. An empty scope is
// everybody's.
func (g *Gate) Require(need Scope, fail func(http.ResponseWriter, *http.Request, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := Client{Actor: actor.Anonymous}
		if g != nil && need != "" {
			var err error
			if client, err = g.Of(r); err != nil {
				fail(w, r, err)
				return
			}
			httpserve.NoteActor(r.Context(), client.Actor)
			if !includes(client.Scope, need) {
				fail(w, r, problem.Forbidden(fmt.Sprintf("%s has %s, and this takes the scope %s", client.Actor, scopeOr(client.Scope), need),
					fmt.Sprintf(`Bearer realm="delfos", error="insufficient_scope", scope=%q`, need)))
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(actor.With(context.WithValue(r.Context(), clientKey{}, client), client.Actor)))
	})
}

func scopeOr(s Scope) string {
	if s == "" {
		return "no scope"
	}
	return "the scope " + string(s)
}

// bounded ends a stream after some time, and with its client's token: when that expires, is
// revoked, or has no such scope any more.
func (g *Gate) bounded(need Scope, next http.Handler) http.Handler {
	if g == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		end := time.Now().Add(streamTime)
		if c := clientOf(r.Context()); !c.Expires.IsZero() && c.Expires.Before(end) {
			end = c.Expires
		}
		ctx, cancel := context.WithDeadline(r.Context(), end)
		defer cancel()
		go g.watch(ctx, cancel, credential(r), need)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// watch ends a stream whose client would be refused now.
func (g *Gate) watch(ctx context.Context, end func(), token string, need Scope) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c, err := g.Identify(ctx, token); err != nil || !includes(c.Scope, need) {
			end()
		}
	}
}

type clientKey struct{}

func clientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

// Of is the client of a request. The error is a problem: a 401, or a 503 if the
// token can't be checked for now.
func (g *Gate) Of(r *http.Request) (Client, error) {
	token := credential(r)
	if token == "" {
		return Client{}, problem.Unauthorized("a token is missing: send Authorization: Bearer TOKEN, or sign in on the console's page", `Bearer realm="delfos"`)
	}
	return g.Identify(r.Context(), token)
}

// credential is the token that a request brings, "" if none.
func credential(r *http.Request) string {
	if scheme, rest, _ := strings.Cut(r.Header.Get(authorization), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	if cookie, err := r.Cookie(Cookie); err == nil {
		return cookie.Value
	}
	return ""
}

// Identify is the client that a token stands for; the error is that of Of.
func (g *Gate) Identify(ctx context.Context, token string) (Client, error) {
	switch {
	case g.tokens != nil && strings.HasPrefix(token, tokenPrefix):
		return g.tokens.find(token)
	case g.issuer != nil && strings.Count(token, ".") == 2:
		return g.issuer.verify(ctx, token)
	}
	return Client{}, invalid("the token is not one of this server's")
}

func invalid(why string) error {
	return problem.Unauthorized(why, `Bearer realm="delfos", error="invalid_token"`)
}

// Limit bounds what one client may ask for at once. A client is an actor, or where
// nobody is asked who they are, an address. 0 is no bound.
type Limit struct {
	Requests  int // that are being answered, streams of events apart
	Followers int // streams of events
}

// Hook returns what lets a request through while its client has a place; fail answers
// the others. It comes after the Gate's. Open operations, such as /health, take no place.
func (l Limit) Hook(fail func(http.ResponseWriter, *http.Request, error)) func(param.Operation, http.Handler) http.Handler {
	requests := &places{most: l.Requests, what: "requests", again: time.Second, taken: map[string]int{}}
	followers := &places{most: l.Followers, what: "streams of events", again: 10 * time.Second, taken: map[string]int{}}
	return func(o param.Operation, next http.Handler) http.Handler {
		switch {
		case o.Scope == "":
			return next
		case slices.Contains(o.Produces, "text/event-stream"):
			return followers.before(fail, next)
		}
		return requests.before(fail, next)
	}
}

// places are those that each client has for what it asks at once.
type places struct {
	most  int
	what  string
	again time.Duration // after which a client that had none may ask again

	mu    sync.Mutex
	taken map[string]int // by client; a client with none is not in it
}

func (p *places) before(fail func(http.ResponseWriter, *http.Request, error), next http.Handler) http.Handler {
	if p.most == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := clientOf(r.Context()).Actor
		if client == actor.Anonymous {
			client = "at " + httpserve.ClientAddress(r)
		}
		if !p.take(client) {
			fail(w, r, problem.TooMany(fmt.Sprintf("this client has %d %s under way, and may have no more at once; try again when one has ended", p.most, p.what), p.again))
			return
		}
		defer p.leave(client)
		next.ServeHTTP(w, r)
	})
}

func (p *places) take(client string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client] >= p.most {
		return false
	}
	p.taken[client]++
	return true
}

func (p *places) leave(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client]--; p.taken[client] == 0 {
		delete(p.taken, client)
	}
}
