package httpserve_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/delfos/delfos/server/httpserve"
)

// Between the order to stop and the drain a server answers, and says that it is
// about to go.
func TestServeAnswersWhileItLeaves(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ctx, drain := context.WithCancel(t.Context())
	defer drain()
	leaving := make(chan struct{})
	options := quiet()
	options.Leaving = leaving
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strconv.FormatBool(httpserve.Leaving(r.Context())))
		}), options)
	}()
	ask := func(want string, closes bool) {
		t.Helper()
		resp, body, err := get(t, "http://"+ln.Addr().String(), nil)
		if err != nil || body != want || resp.Close != closes {
			t.Errorf("got %q and %v, want leaving %s and the connection closed %t", body, err, want, closes)
		}
	}
	ask("false", false)
	close(leaving)
	ask("true", true)
	ask("true", true)
	drain()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, _, err := get(t, "http://"+ln.Addr().String(), nil); err == nil {
		t.Error("the server answers after its drain")
	}
}
