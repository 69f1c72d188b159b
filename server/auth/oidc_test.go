package auth_test

import (
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/issuertest"
	"github.com/delfos/delfos/server/auth"
)

const audience = "delfos"

// A JWT counts if the issuer signed it for this audience and it lasts; its scope is the
// greatest that one of its claims has.
func TestJWT(t *testing.T) {
	t.Parallel()
	issuer, other := issuertest.Start(t), issuertest.Start(t)
	gate, err := auth.Open(auth.Config{Issuer: issuer.URL, Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	claims := func(scope string, private map[string]any) issuertest.Claims {
		return issuertest.Claims{Audience: audience, Lifetime: time.Hour, Scope: scope, Private: private}
	}
	sound := issuer.Token(claims("read", nil))
	parts := strings.Split(sound, ".")
	for _, tt := range []struct {
		name, token string
		want        auth.Client
		detail      string // of the refusal
	}{
		{"scope", issuer.Token(claims("profile operate read", nil)), auth.Client{Actor: "sid1", Scope: "operate"}, ""},
		{"scope with a prefix", issuer.Token(claims("delfos:admin", nil)), auth.Client{Actor: "sid1", Scope: "admin"}, ""},
		{"scp as a list", issuer.Token(claims("", map[string]any{"scp": []string{"read"}})), auth.Client{Actor: "sid1", Scope: "read"}, ""},
		{"permissions", issuer.Token(claims("read", map[string]any{"permissions": []string{"x", "delfos:operate"}})), auth.Client{Actor: "sid1", Scope: "operate"}, ""},
		{"roles", issuer.Token(claims("", map[string]any{"roles": "admin"})), auth.Client{Actor: "sid1", Scope: "admin"}, ""},
		{"no scope", issuer.Token(claims("write administrator", map[string]any{"roles": 7})), auth.Client{Actor: "sid1"}, ""},
		{
			"a verified address", issuer.Token(claims("read", map[string]any{"email": "ana@example.org", "email_verified": true})),
			auth.Client{Actor: "ana@example.org", Scope: "read"},
			"",
		},
		{"an address that anybody may claim", issuer.Token(claims("read", map[string]any{"email": "ana@example.org"})), auth.Client{Actor: "sid1", Scope: "read"}, ""},
		{"a clock half a minute behind", issuer.Token(issuertest.Claims{Audience: audience, Lifetime: -30 * time.Second, Scope: "read"}), auth.Client{Actor: "sid1", Scope: "read"}, ""},
		{"expired", issuer.Token(issuertest.Claims{Audience: audience, Lifetime: -2 * time.Minute, Scope: "read"}), auth.Client{}, "has expired"},
		{"another audience", issuer.Token(issuertest.Claims{Audience: "grafana", Lifetime: time.Hour, Scope: "admin"}), auth.Client{}, `expected audience "delfos" got ["grafana"]`},
		{"another issuer", other.Token(claims("admin", nil)), auth.Client{}, "failed to verify"},
		{"a changed claim", parts[0] + "." + encoded(strings.Replace(decoded(t, parts[1]), "read", "admin", 1)) + "." + parts[2], auth.Client{}, "failed to verify"},
		{"no signature", encoded(`{"alg":"none"}`) + "." + parts[1] + ".", auth.Client{}, "malformed jwt"},
		{"no JWT", "a.b.c", auth.Client{}, "malformed jwt"},
		{"a token of ours, which has no file", "delfos_x", auth.Client{}, "not one of this server's"},
	} {
		got, err := gate.Identify(t.Context(), tt.token)
		if tt.detail != "" {
			if status := apitest.Status(err); status != http.StatusUnauthorized || !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("%s: got %d %v, want 401 with %q", tt.name, status, err, tt.detail)
			}
			continue
		}
		if got.Expires.IsZero() {
			t.Errorf("%s: it never ends", tt.name)
		}
		got.Expires = time.Time{}
		if err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

// The keys are asked for once, and again for a key that is new.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	issuer := issuertest.Start(t)
	gate, err := auth.Open(auth.Config{Issuer: issuer.URL, Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	token := issuer.Token(issuertest.Claims{Audience: audience, Lifetime: time.Hour, Scope: "read"})
	for range 3 {
		if _, err := gate.Identify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	issuer.Leave(true)
	if _, err := gate.Identify(t.Context(), token); err != nil {
		t.Errorf("a JWT of a known key, while the issuer is away: %v", err)
	}
	if got := issuer.KeyRequests(); got != 1 {
		t.Errorf("the keys were asked for %d times, want once", got)
	}
	_, rest, _ := strings.Cut(token, ".")
	head := encoded(strings.Replace(decoded(t, strings.Split(token, ".")[0]), `"kid":"`, `"kid":"new-`, 1))
	// go-oidc may answer by its last question for a moment.
	await.True(t, "a JWT of a new key is a 503 while the issuer is away", func() bool {
		_, err := gate.Identify(t.Context(), head+"."+rest)
		return apitest.Status(err) == http.StatusServiceUnavailable
	})
}

// While the issuer is away, JWTs can't be told from others, and tokens can.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	issuer := issuertest.Start(t)
	jwt := issuer.Token(issuertest.Claims{Audience: audience, Lifetime: time.Hour, Scope: "read"})
	issuer.Leave(true)
	path := filepath.Join(t.TempDir(), "tokens")
	token, err := auth.Create(t.Context(), path, auth.Token{Name: "etl", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	gate, err := auth.Open(auth.Config{TokensFile: path, Issuer: issuer.URL, Audience: audience})
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	if _, err := gate.Identify(t.Context(), jwt); apitest.Status(err) != http.StatusServiceUnavailable {
		t.Errorf("got %v, want a 503", err)
	}
	if c, err := gate.Identify(t.Context(), token); err != nil || c.Actor != "etl" {
		t.Errorf("got %+v, %v", c, err)
	}
	issuer.Leave(false)
	// It is asked again after some seconds; a gate that begins now asks at once.
	fresh, err := auth.Open(auth.Config{TokensFile: path, Issuer: issuer.URL, Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := fresh.Identify(t.Context(), jwt); err != nil || c.Scope != "read" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func decoded(t *testing.T, part string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
