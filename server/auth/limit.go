package auth

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

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
