package etl_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// A target that restarts is waited for, and that is said once; what does not
// pass is said at once.
func TestAwaitTarget(t *testing.T) {
	t.Parallel()
	there, err := url.Parse(pgtest.Target(t))
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*url.URL)) string {
		u := *there
		f(&u)
		return u.String()
	}
	tests := []struct {
		name, url string
		patience  time.Duration
		want      string
		warnings  int
	}{
		{"there", there.String(), time.Minute, "", 0},
		{"after a while", change(func(u *url.URL) { u.Host = restarting(t, there.Host, 3) }), time.Minute, "", 1},
		{"never there", change(func(u *url.URL) { u.Host = "127.0.0.1:1" }), 300 * time.Millisecond, "target database, after 0s: ", 1},
		{"wrong password", change(func(u *url.URL) { u.User = url.UserPassword("delfos_test", "hunter2") }), time.Minute, "28P01", 0},
		{"no such database", change(func(u *url.URL) { u.Path = "/nowhere" }), time.Minute, "3D000", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, err := etl.OpenTarget(t.Context(), test.url)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var said bytes.Buffer
			err = etl.AwaitTarget(t.Context(), pool, test.patience, slog.New(slog.NewTextHandler(&said, nil)))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if n := strings.Count(said.String(), "level=WARN"); n != test.warnings {
				t.Errorf("got %d warnings, want %d:\n%s", n, test.warnings, said.String())
			}
		})
	}
}

// restarting is the address of a server that breaks the first connections off,
// as one does that starts, and then is the one at upstream.
func restarting(t *testing.T, upstream string, broken int) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for n := 0; ; n++ {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			if n < broken {
				_ = in.Close()
				continue
			}
			out, err := net.Dial("tcp", upstream)
			if err != nil {
				_ = in.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			open.Go(func() { pipe(in, out) })
			open.Go(func() { pipe(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		open.Wait()
	})
	return ln.Addr().String()
}
