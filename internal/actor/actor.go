// Package actor says who asks for something, and by which request, for the ledger, its
// events and the log.
//
// The name travels in the context from the server's gate, or from the command line, to
// the statement that writes it, and so does the request's id. A context without them is
// that of the schedule.
package actor

import (
	"cmp"
	"context"
	"os"
	"os/user"
)

// Anonymous is the actor where nobody is asked who they are.
const Anonymous = "anonymous"

type (
	key        struct{}
	requestKey struct{}
)

// With returns a context in which name asks.
func With(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, key{}, name)
}

// Of is who asks, "" if nobody does.
func Of(ctx context.Context) string {
	name, _ := ctx.Value(key{}).(string)
	return name
}

// WithRequest returns a context in which the HTTP request with the id asks.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// Request is the id of the HTTP request that asks, "" if none does.
func Request(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// CommandLine is who runs this process by hand, as cli:user@host; a container may know but a number.
func CommandLine() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = cmp.Or(u.Username, u.Uid)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "cli:" + name + "@" + host
}
