// Package issuertest runs a real OIDC issuer: that of zitadel/oidc, on its example's
// storage. Only the tests use it.
package issuertest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// An Issuer gives tokens to a service that asks for them by its secret.
type Issuer struct {
	URL string

	tb     testing.TB
	away   atomic.Bool
	asked  atomic.Int64 // for its keys
	asking sync.Mutex
	store  *store
}

// Start starts an issuer, which ends with the test.
func Start(tb testing.TB) *Issuer {
	tb.Helper()
	i := &Issuer{tb: tb}
	var provider http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if strings.HasSuffix(r.URL.Path, "/keys") {
			i.asked.Add(1)
		}
		provider.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	i.URL = server.URL
	i.store = &store{Storage: storage.NewStorage(storage.NewUserStore(server.URL))}
	p, err := op.NewProvider(&op.Config{}, i.store, op.StaticIssuer(server.URL), op.WithAllowInsecure())
	if err != nil {
		tb.Fatal(err)
	}
	provider = p
	return i
}

// Leave has the issuer break off every connection, until it comes back.
func (i *Issuer) Leave(away bool) { i.away.Store(away) }

// KeyRequests is how often the issuer was asked for its keys.
func (i *Issuer) KeyRequests() int64 { return i.asked.Load() }

// Claims are what a token says beside who has it.
type Claims struct {
	Audience string
	Lifetime time.Duration  // below 0, it has expired
	Scope    string         // words, as the client asks for them
	Private  map[string]any // claims of the issuer's own
}

// Token asks the issuer for a token, as a service does.
func (i *Issuer) Token(c Claims) string {
	i.tb.Helper()
	i.asking.Lock()
	defer i.asking.Unlock()
	i.store.claims.Store(&c)
	request, err := http.NewRequestWithContext(i.tb.Context(), http.MethodPost, i.URL+"/oauth/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"openid " + c.Scope}}.Encode()))
	if err != nil {
		i.tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("sid1", "verysecret") // the service of the example
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		i.tb.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		i.tb.Fatalf("the issuer answered %s without a token (%v)", response.Status, err)
	}
	return answer.Token
}

// store is the example's, with JWTs of the claims that are asked for.
type store struct {
	*storage.Storage

	claims atomic.Pointer[Claims] // of the token that is asked for
}

// ClientCredentials implements op.ClientCredentialsStorage.
func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	client, err := s.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{client}, err
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return request{id, s.claims.Load().Audience, scopes}, nil
}

// CreateAccessToken implements op.Storage.
func (s *store) CreateAccessToken(ctx context.Context, r op.TokenRequest) (string, time.Time, error) {
	id, _, err := s.Storage.CreateAccessToken(ctx, r)
	return id, time.Now().Add(s.claims.Load().Lifetime), err
}

// GetPrivateClaimsFromScopes implements op.Storage.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	claims := map[string]any{"scope": strings.Join(scopes, " ")}
	maps.Copy(claims, s.claims.Load().Private)
	return claims, nil
}

// jwtClient is a client whose tokens are JWTs.
type jwtClient struct{ op.Client }

// AccessTokenType implements op.Client.
func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// IsScopeAllowed implements op.Client.
func (jwtClient) IsScopeAllowed(string) bool { return true }

// RestrictAdditionalAccessTokenScopes implements op.Client.
func (jwtClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

// request is what a service asks for.
type request struct {
	subject, audience string
	scopes            []string
}

// GetSubject implements op.TokenRequest.
func (r request) GetSubject() string { return r.subject }

// GetAudience implements op.TokenRequest.
func (r request) GetAudience() []string { return []string{r.audience} }

// GetScopes implements op.TokenRequest.
func (r request) GetScopes() []string { return r.scopes }
