package httpserve_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/httpserve"
)

// pair is a certificate for 127.0.0.1 with a serial number, and its key, both in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, serial int64, end time.Time) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: end.Add(-48 * time.Hour), NotAfter: end,
	}
	cert, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// files are where a pair is written to.
type files struct{ cert, key string }

func (f files) write(t *testing.T, p pair) {
	t.Helper()
	for path, text := range map[string][]byte{f.cert: p.cert, f.key: p.key} {
		// As renewals do: a file is whole or not there.
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

func newFiles(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	return files{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

func TestCertificateIsRefused(t *testing.T) {
	t.Parallel()
	good, other := newPair(t, 1, time.Now().Add(time.Hour)), newPair(t, 2, time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		pair pair
		want string
	}{
		"no certificate": {pair{[]byte("hello"), good.key}, "not a certificate and its key in PEM"},
		"half a key":     {pair{good.cert, good.key[:40]}, "not a certificate and its key in PEM"},
		"another's key":  {pair{good.cert, other.key}, "private key does not match"},
		"ended":          {newPair(t, 3, time.Now().Add(-time.Hour)), "renew it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t)
			f.write(t, test.pair)
			_, err := httpserve.OpenCertificate(f.cert, f.key, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	f := newFiles(t)
	if _, err := httpserve.OpenCertificate(f.cert, f.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "TLS_CERT_FILE") {
		t.Errorf("without files: got %v", err)
	}
}

// serveTLS serves by the files' certificate, until the test ends.
func serveTLS(t *testing.T, f files, log *slog.Logger, handler http.Handler) (addr string) {
	t.Helper()
	certificate, err := httpserve.OpenCertificate(f.cert, f.key, log)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- httpserve.Serve(ctx, ln, handler, httpserve.Options{Log: log, Certificate: certificate})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// client trusts a certificate, and takes HTTP/2 if it is on offer.
func client(t *testing.T, trusted pair) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted.cert)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestCertificateFollowsItsFiles(t *testing.T) {
	t.Parallel()
	f, log := newFiles(t), new(apitest.Log)
	first, second := newPair(t, 1, time.Now().Add(time.Hour)), newPair(t, 2, time.Now().Add(time.Hour))
	f.write(t, first)
	addr := serveTLS(t, f, log.Logger(), http.NotFoundHandler())
	shown := func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	for _, step := range []struct {
		name   string
		change func()
		want   int64
		errors int // that were logged until then
	}{
		{"at first", func() {}, 1, 0},
		{"half written", func() { f.write(t, pair{second.cert[:100], first.key}) }, 1, 1},
		{"still half written", func() {}, 1, 1},
		{"another's key", func() { f.write(t, pair{second.cert, first.key}) }, 1, 2},
		{"renewed", func() { f.write(t, second) }, 2, 2},
		{"gone", func() { _ = os.Remove(f.key) }, 2, 3},
		{"still gone", func() {}, 2, 3},
		{"ended", func() { f.write(t, newPair(t, 3, time.Now().Add(-time.Hour))) }, 2, 4},
		{"back", func() { f.write(t, first) }, 1, 4},
	} {
		step.change()
		if got := shown(); got != step.want {
			t.Errorf("%s: got certificate %d, want %d", step.name, got, step.want)
		}
		if got := log.Count("the new certificate cannot be used"); got != step.errors {
			t.Errorf("%s: %d errors were logged, want %d", step.name, got, step.errors)
		}
	}
}

// What is cut off over HTTP/2 is an error to its client, beside answers on the same connection
// that end as they should.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	f, log := newFiles(t), new(apitest.Log)
	shown := newPair(t, 1, time.Now().Add(time.Hour))
	f.write(t, shown)
	refuse := func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusForbidden)
	}
	chain := httpserve.Chain{Log: log.Logger(), Fail: refuse}
	addr := serveTLS(t, f, log.Logger(), chain.Middleware(httpserve.Access{}.Middleware(refuse)(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Delfos-Rows")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			if r.URL.Path == "/cut" {
				httpserve.Abort(r, io.ErrUnexpectedEOF)
			}
			w.Header().Set("Delfos-Rows", "2")
		}))))
	asking := client(t, shown)
	ask := func(path string) (*http.Response, error) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := asking.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, err = io.ReadAll(response.Body)
		return response, err
	}
	for range 2 {
		whole, err := ask("/whole")
		if err != nil || whole.ProtoMajor != 2 || whole.Trailer.Get("Delfos-Rows") != "2" || whole.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("got %v, %s, trailers %v, header %v", err, whole.Proto, whole.Trailer, whole.Header)
		}
		if cut, err := ask("/cut"); err == nil || cut.Trailer.Get("Delfos-Rows") != "" {
			t.Errorf("an answer that was cut off: got error %v and trailers %v", err, cut.Trailer)
		}
	}
	// Whoever comes without TLS is told so.
	response, err := http.Get("http://" + addr + "/whole")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS") {
		t.Errorf("plain HTTP: got %s %s", response.Status, text)
	}
}
