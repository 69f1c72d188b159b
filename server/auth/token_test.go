package auth_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/auth"
)

// create adds a token to a file.
func create(t *testing.T, path string, token auth.Token) string {
	t.Helper()
	secret, err := auth.Create(t.Context(), path, token)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// A server takes notice of what happens to the file, and while it can't read the file
// it lets nobody in.
func TestFileIsFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	ana := create(t, path, auth.Token{Name: "ana", Scope: "operate"})
	gate, err := auth.Open(auth.Config{TokensFile: path})
	if err != nil {
		t.Fatal(err)
	}
	look := func(when, token string, want int) {
		t.Helper()
		got := http.StatusOK
		if _, err := gate.Identify(t.Context(), token); err != nil {
			got = apitest.Status(err)
		}
		if got != want {
			t.Errorf("%s: got %d, want %d", when, got, want)
		}
	}
	look("a token of the file", ana, http.StatusOK)
	look("another", ana[:len(ana)-1]+"-", http.StatusUnauthorized)
	look("its beginning", ana[:len(ana)-1], http.StatusUnauthorized)
	bob := create(t, path, auth.Token{Name: "bob", Scope: "read"})
	look("one that was created since", bob, http.StatusOK)
	past := create(t, path, auth.Token{Name: "past", Scope: "admin", Expires: new(time.Now().Add(-time.Second))})
	look("one that has expired", past, http.StatusUnauthorized)
	if err := auth.Revoke(t.Context(), path, "ana"); err != nil {
		t.Fatal(err)
	}
	look("one that was revoked since", ana, http.StatusUnauthorized)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		text string
		mode os.FileMode
	}{
		{"half of it", string(whole[:len(whole)/2]), 0o600},
		{"an unknown property", strings.Replace(string(whole), `"scope"`, `"scopes"`, 1), 0o600},
		{"a name twice", strings.Replace(string(whole), `"past"`, `"bob"`, 1), 0o600},
		{"a short hash", strings.Replace(string(whole), `"sha256": "`, `"sha256": "0`, 1), 0o600},
		{"nothing", "", 0o600},
		{"what others may read", string(whole), 0o644},
		{"what a group may write", string(whole), 0o660},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		look(tt.name, bob, http.StatusServiceUnavailable)
		if _, err := auth.Open(auth.Config{TokensFile: path}); err == nil || !strings.Contains(err.Error(), "AUTH_TOKENS_FILE is "+path) {
			t.Errorf("%s: a server starts: %v", tt.name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("no file", bob, http.StatusServiceUnavailable)
	if err := os.WriteFile(path, whole, 0o440); err != nil { // as a secret is mounted
		t.Fatal(err)
	}
	look("the file again", bob, http.StatusOK)
}

// Writers at once wait for each other: no token is lost.
func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	const writers = 20
	var work sync.WaitGroup
	for n := range writers {
		work.Go(func() {
			if _, err := auth.Create(t.Context(), path, auth.Token{Name: fmt.Sprintf("t%d", n), Scope: "read"}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if all, err := auth.Tokens(path); err != nil || len(all) != writers {
		t.Errorf("got %d tokens, %v, want %d", len(all), err, writers)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 { // the file and its lock
		t.Errorf("got %v, %v", left, err)
	}
}

func FuzzTokens(f *testing.F) {
	path := filepath.Join(f.TempDir(), "tokens")
	if _, err := auth.Create(f.Context(), path, auth.Token{Name: "ana", Scope: "operate", Expires: new(time.Unix(1, 0))}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"tokens":[{"name":"ana","scope":"read"},{"name":"ana"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := auth.Tokens(path)
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("the error is not of one line: %q", err)
		}
		seen := map[string]bool{}
		for _, token := range tokens {
			if auth.CheckName(token.Name) != nil || !slices.Contains(auth.Scopes(), token.Scope) || len(token.SHA256) != 64 || seen[token.Name] {
				t.Errorf("%+v is taken", token)
			}
			seen[token.Name] = true
		}
	})
}
