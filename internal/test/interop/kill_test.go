package interop_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
	"github.com/delfos/delfos/server/stream"
)

// serveDatabase names the database that this process is to serve.
const serveDatabase = "DELFOS_TEST_SERVE_DATABASE"

// socketBuffer is what either end of a connection keeps for the other: so
// little that a server is still at work when a client has read some.
const socketBuffer = 16 << 10

// serve is the other process: it prints its address and serves until killed.
func serve(database string) error {
	ctx := context.Background()
	pool, err := source.OpenPool(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, ln.Addr())
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return httpserve.Serve(ctx, narrow{ln}, source.New(source.Config{Pool: pool, Log: log}), httpserve.Options{Log: log})
}

// narrow gives its connections small buffers.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetWriteBuffer(socketBuffer)
}

// dialNarrow is a client's end with a small buffer.
func dialNarrow(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetReadBuffer(socketBuffer)
}

// victim is a server that can be killed.
type victim struct {
	*exec.Cmd

	addr string
}

func (b *bundle) victim(t *testing.T) *victim {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveDatabase+"="+b.database)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server says %q, %v", addr, err)
	}
	return &victim{cmd, strings.TrimSpace(addr)}
}

func TestKilledInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, format := range stream.Formats() {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			if format.Compressed && coding != "identity" {
				continue
			}
			t.Run(format.Name+" "+coding, func(t *testing.T) {
				t.Parallel()
				v := b.victim(t)
				resp := v.open(t, all+"&format="+format.Name, coding)
				const some = 64 << 10
				if n, err := io.CopyN(io.Discard, resp.Body, some); err != nil {
					t.Fatalf("the answer ended after %d bytes: %v", n, err)
				}
				if err := v.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				_ = v.Wait()
				n, err := io.Copy(io.Discard, resp.Body)
				if err == nil {
					t.Errorf("the answer ended cleanly after %d bytes, trailers %v", some+n, resp.Trailer)
				}
				for name, values := range resp.Trailer {
					if len(values) > 0 {
						t.Errorf("the broken answer has the trailer %s: %v", name, values)
					}
				}
			})
		}
	}
}

// open begins a request and reads no more than the answer's head.
func (v *victim) open(t *testing.T, path, coding string) *http.Response {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, DialContext: dialNarrow}
	t.Cleanup(transport.CloseIdleConnections)
	req, err := http.NewRequest(http.MethodGet, "http://"+v.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", coding)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if want := strings.TrimPrefix(coding, "identity"); resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != want {
		t.Fatalf("got %s, coding %q", resp.Status, resp.Header.Get("Content-Encoding"))
	}
	return resp
}
