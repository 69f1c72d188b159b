package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/delfos/delfos/server/problem"
)

const (
	// skew is how far the issuer's clock may be behind ours.
	skew = time.Minute
	// askAgain is how long an issuer that did not answer is left alone.
	askAgain = 5 * time.Second
	// issuerTimeout bounds a question to the issuer.
	issuerTimeout = 10 * time.Second
	scopePrefix   = "delfos:"
)

// scopeClaims are where a JWT may say its scopes, as words in a text or as a list.
func scopeClaims() []string { return []string{"scope", "scp", "permissions", "roles"} }

// issuer checks JWTs. It asks for the issuer's configuration when the first one
// comes; its keys are kept, and asked for again when a JWT names one that is new.
type issuer struct {
	url, audience string
	client        *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	err      error // why there is no verifier
	asked    time.Time
}

func (i *issuer) ready() (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil || i.err != nil && time.Since(i.asked) < askAgain {
		return i.verifier, i.err
	}
	// A client that leaves does not end what others wait for.
	ctx := oidc.ClientContext(context.Background(), i.client)
	provider, err := oidc.NewProvider(ctx, i.url)
	if i.asked, i.err = time.Now(), err; err != nil {
		i.err = fmt.Errorf("ask the issuer that OIDC_ISSUER names, %s: %w", i.url, err)
		return nil, i.err
	}
	var about struct {
		Keys       string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&about); err != nil {
		i.err = fmt.Errorf("read the configuration of %s: %w", i.url, err)
		return nil, i.err
	}
	i.verifier = oidc.NewVerifier(i.url, keys{oidc.NewRemoteKeySet(ctx, about.Keys)}, &oidc.Config{
		ClientID:             i.audience,
		SupportedSigningAlgs: slices.DeleteFunc(about.Algorithms, symmetric),
		Now:                  func() time.Time { return time.Now().Add(-skew) },
	})
	return i.verifier, nil
}

// symmetric reports whether an algorithm signs with a secret that the issuer shares, or
// not at all.
func symmetric(algorithm string) bool {
	return algorithm == "none" || strings.HasPrefix(algorithm, "HS")
}

// keys notes in the context of a verification that the issuer did not answer, which
// the verifier's error doesn't tell from a wrong signature.
type keys struct{ *oidc.RemoteKeySet }

type awayKey struct{}

func (k keys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.RemoteKeySet.VerifySignature(ctx, jwt)
	if away, ok := ctx.Value(awayKey{}).(*error); ok && err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		*away = err
	}
	return payload, err
}

func (i *issuer) verify(ctx context.Context, jwt string) (Client, error) {
	verifier, err := i.ready() //nolint:contextcheck // See there.
	if err != nil {
		return Client{}, problem.Uncheckable("the issuer of JWTs does not answer as it should", err)
	}
	var away error
	token, err := verifier.Verify(context.WithValue(ctx, awayKey{}, &away), jwt)
	if away != nil {
		return Client{}, problem.Uncheckable("the issuer of JWTs does not answer", away)
	}
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return Client{}, invalid("the JWT has expired at " + expired.Expiry.UTC().Format(time.RFC3339))
	}
	if err != nil {
		return Client{}, invalid("the JWT is not valid: " + strings.TrimPrefix(err.Error(), "oidc: "))
	}
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return Client{}, invalid("the JWT is not valid: its claims are no object")
	}
	return Client{Actor: actorOf(token.Subject, claims), Scope: scopeOf(claims), Expires: token.Expiry.Add(skew)}, nil
}

// actorOf is the address of a person that the issuer has verified, or else the subject.
func actorOf(subject string, claims map[string]json.RawMessage) string {
	var email string
	var verified bool
	if json.Unmarshal(claims["email"], &email) == nil && json.Unmarshal(claims["email_verified"], &verified) == nil && verified && email != "" {
		return email
	}
	return subject
}

// scopeOf is the greatest scope of the claims, empty if they have none.
func scopeOf(claims map[string]json.RawMessage) (greatest Scope) {
	for _, name := range scopeClaims() {
		for _, word := range words(claims[name]) {
			if scope := Scope(strings.TrimPrefix(word, scopePrefix)); slices.Contains(Scopes(), scope) && !includes(greatest, scope) {
				greatest = scope
			}
		}
	}
	return greatest
}

func words(claim json.RawMessage) (list []string) {
	var text string
	if json.Unmarshal(claim, &text) == nil {
		return strings.Fields(text)
	}
	if json.Unmarshal(claim, &list) != nil {
		return nil
	}
	return list
}
