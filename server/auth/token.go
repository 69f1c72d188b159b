package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/server/problem"
)

// tokenPrefix tells a token of ours from others, also to those who look for secrets
// in what is published by mistake.
const tokenPrefix = "delfos_"

// A Token is what the file keeps of one: its hash. A token is 256 random bits, so
// nobody can guess it from its hash, and a slow hash with salt would protect nothing.
type Token struct {
	Name    string     `json:"name"`
	Scope   Scope      `json:"scope"`
	SHA256  string     `json:"sha256"` // of the whole token, hexadecimal
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"` // nil: never
}

type file struct {
	Tokens []Token `json:"tokens"`
}

// validName keeps names apart from other actors, such as cli:ana@host.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// reserved are actors that are nobody's token.
func reserved() []string { return []string{actor.Anonymous, "schedule", "sweep"} }

// CheckName says what is wrong with the name of a token.
func CheckName(name string) error {
	if !validName.MatchString(name) || slices.Contains(reserved(), name) {
		return fmt.Errorf("the name is %q: want 1 to 64 letters, digits and ._@-, beginning with a letter or digit, and none of %q", name, reserved())
	}
	return nil
}

func (t Token) check() error {
	if err := CheckName(t.Name); err != nil {
		return err
	}
	if hash, err := hex.DecodeString(t.SHA256); err != nil || len(hash) != sha256.Size {
		return fmt.Errorf("sha256 of %s is not %d hexadecimal digits", t.Name, 2*sha256.Size)
	}
	if !slices.Contains(Scopes(), t.Scope) {
		return fmt.Errorf("the scope of %s is %q: want one of %q", t.Name, t.Scope, Scopes())
	}
	return nil
}

// Tokens reads a file of tokens. The error names what is wrong with it.
func Tokens(path string) ([]Token, error) {
	text, info, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("AUTH_TOKENS_FILE is %s, which is not there: `delfos token create` makes it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read AUTH_TOKENS_FILE: %w", err)
	}
	// A group may read: that is how secrets are mounted into containers.
	if mode := info.Mode().Perm(); mode&0o037 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("AUTH_TOKENS_FILE is %s, which others may use (its mode is %04o): chmod 600 %s", path, mode, path)
	}
	var content file
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("AUTH_TOKENS_FILE is %s, which is not a file that `delfos token` has written: %w", path, err)
	}
	seen := map[string]bool{}
	for i, t := range content.Tokens {
		err := t.check()
		if err == nil && seen[t.Name] {
			err = fmt.Errorf("the name %s comes twice", t.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("AUTH_TOKENS_FILE is %s, whose token %d is wrong: %w", path, i+1, err)
		}
		seen[t.Name] = true
	}
	return content.Tokens, nil
}

func read(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(f)
	info, unseen := f.Stat()
	return text, info, cmp.Or(unseen, err)
}

// Create adds a token to a file, which it makes if need be, and returns it. It is
// nowhere else: the file has its hash.
func Create(ctx context.Context, path string, t Token) (token string, err error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	t.SHA256 = hashOf(token)
	if err := t.check(); err != nil {
		return "", err
	}
	return token, change(ctx, path, true, func(all []Token) ([]Token, error) {
		if slices.ContainsFunc(all, t.named()) {
			return nil, fmt.Errorf("there is a token %s already: `delfos token revoke %s` removes it", t.Name, t.Name)
		}
		return append(all, t), nil
	})
}

// Revoke removes a token from a file.
func Revoke(ctx context.Context, path, name string) error {
	return change(ctx, path, false, func(all []Token) ([]Token, error) {
		left := slices.DeleteFunc(slices.Clone(all), Token{Name: name}.named())
		if len(left) == len(all) {
			return nil, fmt.Errorf("there is no token %q: `delfos token list` shows those that there are", name)
		}
		return left, nil
	})
}

func (t Token) named() func(Token) bool {
	return func(other Token) bool { return other.Name == t.Name }
}

func hashOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return hex.EncodeToString(hash[:])
}

// change replaces a file by what edit makes of its tokens, in one step that readers
// see whole or not at all, while no other process changes it.
func change(ctx context.Context, path string, create bool, edit func([]Token) ([]Token, error)) error {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("lock %s.lock, so that no other process writes AUTH_TOKENS_FILE: %w", path, err)
	}
	defer func() { _ = lock.Close() }()
	var all []Token
	mode := fs.FileMode(0o600)
	info, err := os.Stat(path)
	switch {
	case err == nil:
		mode = info.Mode().Perm()
		if all, err = Tokens(path); err != nil {
			return err
		}
	case !create || !errors.Is(err, fs.ErrNotExist):
		_, err := Tokens(path)
		return err
	}
	if all, err = edit(all); err != nil {
		return err
	}
	text, err := json.MarshalIndent(file{all}, "", "  ")
	if err != nil {
		return fmt.Errorf("write AUTH_TOKENS_FILE: %w", err)
	}
	if err := replace(path, append(text, '\n'), mode); err != nil {
		return fmt.Errorf("write AUTH_TOKENS_FILE: %w", err)
	}
	return nil
}

func replace(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

type tokens struct {
	path string

	mu   sync.Mutex
	read fs.FileInfo // of the file that all and err are of
	all  []Token
	err  error
}

// current reads the file again if it has changed. One that can't be read admits
// nobody: a token that was revoked must not live on because of a slip.
func (t *tokens) current() ([]Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.path)
	if err == nil && t.read != nil && os.SameFile(info, t.read) &&
		info.ModTime().Equal(t.read.ModTime()) && info.Size() == t.read.Size() && info.Mode() == t.read.Mode() {
		return t.all, t.err
	}
	t.read = info
	if err != nil {
		t.read = nil
	}
	t.all, t.err = Tokens(t.path)
	return t.all, t.err
}

func (t *tokens) find(token string) (Client, error) {
	all, err := t.current()
	if err != nil {
		return Client{}, problem.Uncheckable("tokens can't be checked", err)
	}
	hash := []byte(hashOf(token))
	var found *Token
	for i := range all {
		if subtle.ConstantTimeCompare(hash, []byte(all[i].SHA256)) == 1 {
			found = &all[i]
		}
	}
	if found == nil {
		return Client{}, invalid("the token is not one of this server's, or it was revoked")
	}
	client := Client{Actor: found.Name, Scope: found.Scope}
	if found.Expires != nil {
		client.Expires = *found.Expires
		if !time.Now().Before(client.Expires) {
			return Client{}, invalid(fmt.Sprintf("the token %s has expired at %s", found.Name, client.Expires.UTC().Format(time.RFC3339)))
		}
	}
	return client, nil
}
