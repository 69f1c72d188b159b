package httpserve

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}

// withConn keeps the connection at hand for Abort.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// Abort breaks off an answer that has begun and never returns: the client sees
// no clean end of the stream. err goes to the request's log line. HTTP/1.0 ends
// a body by closing the connection, so there it is reset instead.
func Abort(r *http.Request, err error) {
	Note(r.Context(), err)
	if !r.ProtoAtLeast(1, 1) {
		reset(r)
	}
	panic(http.ErrAbortHandler)
}

// reset has the request's connection end in a reset when it is closed.
func reset(r *http.Request) {
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		resetOnClose(conn)
	}
}

// resetOnClose has the client told of an error where it would see an end, and
// throws away what it has not taken yet.
func resetOnClose(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
}
