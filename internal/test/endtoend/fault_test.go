package endtoend_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// gateway stands between the job and the real API and spoils answers to
// GET /data as it is told, one fault a request.
type gateway struct {
	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	faults   []fault
	always   fault
	requests int
}

// fault answers a request in the stead of next, or spoils next's answer. It
// returns false to have the answer passed on unspoiled.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler) bool

func newGateway(t *testing.T, api string) *gateway {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	proxy.FlushInterval = -1
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return &gateway{proxy: proxy}
}

func (g *gateway) spoil(faults ...fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults, g.requests = faults, 0
}

func (g *gateway) spoilAll(f fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.always = f
}

func (g *gateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/data" {
		g.proxy.ServeHTTP(w, r)
		return
	}
	g.mu.Lock()
	f := g.always
	if len(g.faults) > 0 {
		f, g.faults = g.faults[0], g.faults[1:]
	}
	g.requests++
	g.mu.Unlock()
	if f == nil || !f(w, r, g.proxy) {
		g.proxy.ServeHTTP(w, r)
	}
}

// status answers with a status and no more.
func status(code int, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"type":"about:blank","title":"x","status":%d,"detail":"made to fail"}`, code)
		return true
	}
}

// answer records the real answer, so that it can be spoiled.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(int)             {}
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// rewrite sends the real answer with another body or other trailers.
func rewrite(change func(body []byte, trailer http.Header) ([]byte, bool)) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		whole := &answer{header: http.Header{}}
		next.ServeHTTP(whole, r)
		trailer := http.Header{}
		for _, name := range []string{"Delfos-Rows", "Content-Digest"} {
			trailer.Set(name, whole.header.Get(name))
		}
		body, ends := change(whole.body.Bytes(), trailer)
		w.Header().Set("Content-Type", whole.header.Get("Content-Type"))
		w.Header().Set("Trailer", "Delfos-Rows, Content-Digest")
		w.WriteHeader(http.StatusOK)
		_, _ = io.Copy(w, bytes.NewReader(body))
		if !ends {
			panic(http.ErrAbortHandler)
		}
		for name := range trailer {
			w.Header().Set(name, trailer.Get(name))
		}
		return true
	}
}

// cutShort breaks off in the middle.
func cutShort() fault {
	return rewrite(func(body []byte, _ http.Header) ([]byte, bool) { return body[:len(body)/2], false })
}

// endEarly is half an answer that ends cleanly, as behind a proxy that hides
// what happened.
func endEarly() fault {
	return rewrite(func(body []byte, trailer http.Header) ([]byte, bool) {
		clear(trailer)
		return body[:len(body)/2], true
	})
}

// noTrailers is a whole answer without the means to tell.
func noTrailers() fault {
	return rewrite(func(body []byte, trailer http.Header) ([]byte, bool) {
		clear(trailer)
		return body, true
	})
}

func wrongRows() fault {
	return rewrite(func(body []byte, trailer http.Header) ([]byte, bool) {
		trailer.Set("Delfos-Rows", "7")
		return body, true
	})
}

// flipBit changes a bit, as a faulty wire does.
func flipBit() fault {
	return rewrite(func(body []byte, _ http.Header) ([]byte, bool) {
		spoiled := bytes.Clone(body)
		spoiled[len(spoiled)/2] ^= 1
		return spoiled, true
	})
}

// reset begins an answer and resets the connection.
func reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
	w.Header().Set("Content-Type", "application/vnd.apache.arrow.stream") // the head may arrive before the reset
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "[")
	control := http.NewResponseController(w)
	_ = control.Flush()
	conn, _, err := control.Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return true
}

func hangUp() fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) }
}
