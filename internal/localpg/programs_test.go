package localpg_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/delfos/delfos/internal/localpg"
)

// installed is the folder of the installed programs.
func installed(t *testing.T) string {
	t.Helper()
	found := localpg.Candidates(append([]string{os.Getenv("DELFOS_PG_BIN")}, localpg.UsualPlaces()...))
	if len(found) == 0 {
		t.Fatal("the tests need an installed PostgreSQL server: apt-get install postgresql, or set DELFOS_PG_BIN")
	}
	// PATH may hold links to them.
	program, err := filepath.EvalSymlinks(filepath.Join(found[0], "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(program)
}

// archive is the jar that Maven Central has of PostgreSQL's programs, made
// from the files of bin: a zip that holds a tar compressed by xz.
func archive(t *testing.T, bin string, names ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressor, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(compressor)
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/" + name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	// The server, and what the programs load and read beside their folder, would make it large.
	for _, name := range []string{"bin/postgres", "lib", "share"} {
		place, err := filepath.EvalSymlinks(filepath.Join(bin, "..", name))
		if err != nil || slices.Contains(names, filepath.Base(name)) {
			continue // Debian's share is elsewhere, and its programs know where
		}
		if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: place}); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	zipped := zip.NewWriter(&jar)
	entry, err := zipped.CreateHeader(&zip.FileHeader{Name: "postgres-linux-x86_64.txz", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(packed.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

// repository serves a jar, whichever machine's is asked for, and its checksum.
func repository(t *testing.T, jar []byte, checksum string) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch path := r.URL.Path; {
		case !strings.HasPrefix(path, "/maven2/io/zonky/test/postgres/embedded-postgres-binaries-") || jar == nil:
			http.NotFound(w, r)
		case strings.HasSuffix(path, ".jar.sha256"):
			_, _ = w.Write([]byte(checksum))
		case strings.HasSuffix(path, ".jar"):
			_, _ = w.Write(jar)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/maven2/", asked
}

func checksum(jar []byte) string {
	sum := sha256.Sum256(jar)
	return hex.EncodeToString(sum[:])
}

func fetching(t *testing.T, address string) localpg.Config {
	t.Helper()
	c := config(filepath.Join(folder(t), "pg"))
	c.BinDir, c.Search = "", []string{} // as if none were installed
	c.Repository = address
	c.CacheDir = folder(t)
	return c
}

func TestFetch(t *testing.T) {
	t.Parallel()
	jar := archive(t, installed(t), "initdb")
	address, asked := repository(t, jar, checksum(jar))
	c := fetching(t, address)
	server := start(t, c)
	if got := query(t, server.URL(), "SELECT 'up'"); got != "up" {
		t.Errorf("query: got %q", got)
	}
	if runs := processes()[server.PID()]; !strings.Contains(runs, c.CacheDir) {
		t.Errorf("program that runs: got %s, want the fetched one", runs)
	}
	if entries, _ := filepath.Glob(filepath.Join(c.CacheDir, "delfos/postgresql/*")); len(entries) != 1 {
		t.Errorf("cache: got %q, want the fetched version alone", entries)
	}
	before := asked.Load()
	// The second needs to get no further than its log, which it can't write.
	c.Dir = filepath.Join(c.Dir, "second")
	write(t, filepath.Join(c.Dir, "server.log", "file"), "", 0o600)
	_, err := localpg.Start(t.Context(), c)
	wantSentence(t, err, "server.log", "can't write")
	if got := asked.Load(); before != 2 || got != before {
		t.Errorf("requests: got %d for the first server and %d for the second, want 2 and 0", before, got-before)
	}
}

func wantNotFetched(t *testing.T, c localpg.Config, parts ...string) {
	t.Helper()
	_, err := localpg.Start(t.Context(), c)
	wantSentence(t, err, append(parts, "apt-get install postgresql", "DELFOS_PG_BIN")...)
	wantNothingLeft(t, c.Dir)
	if left, _ := filepath.Glob(filepath.Join(c.CacheDir, "delfos/postgresql/fetch-*")); len(left) > 0 {
		t.Errorf("left in the cache: %q", left)
	}
}

func TestFetchRefusals(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(folder(t), "bin")
	write(t, filepath.Join(bin, "postgres"), "#!/bin/sh\n", 0o755)
	half := archive(t, bin, "postgres")
	page := []byte("<html>")

	for name, tc := range map[string]struct {
		jar      []byte
		checksum string
		want     string
	}{
		"no such version":    {nil, "", "404 Not Found"},
		"damaged on the way": {half, checksum(page), "checksum"},
		"no archive":         {page, checksum(page), "zip"},
		"program missing":    {half, checksum(half), "lacks postgres or initdb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := repository(t, tc.jar, tc.checksum)
			wantNotFetched(t, fetching(t, address), tc.want)
		})
	}

	t.Run("repository out of reach", func(t *testing.T) {
		t.Parallel()
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		wantNotFetched(t, fetching(t, closed.URL), "fetching version", closed.URL)
	})

	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		asked, answer := make(chan struct{}), make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-answer
			http.NotFound(w, r)
		}))
		defer server.Close()
		defer close(answer)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		_, err := localpg.Start(ctx, fetching(t, server.URL))
		wantSentence(t, err, context.Canceled.Error())
	})
}
