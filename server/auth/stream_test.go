package auth_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// A stream ends with its client's token, when that has expired or soon after it was revoked,
// and in any case after some minutes.
func TestStreamEndsWithToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		expires, revoked time.Duration // after the stream has begun; 0: not at all
		least, most      time.Duration
	}{
		"neither": {0, 0, 5 * time.Minute, 5 * time.Minute},
		"expires": {time.Minute, 0, time.Minute, time.Minute},
		"revoked": {time.Hour, 90 * time.Second, 90 * time.Second, 95 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "tokens")
			synctest.Test(t, func(t *testing.T) {
				token := auth.Token{Name: "ana", Scope: "read"}
				if tt.expires > 0 {
					token.Expires = new(time.Now().Add(tt.expires))
				}
				secret := create(t, path, token)
				gate, err := auth.Open(auth.Config{TokensFile: path})
				if err != nil {
					t.Fatal(err)
				}
				if tt.revoked > 0 {
					time.AfterFunc(tt.revoked, func() {
						if err := auth.Revoke(t.Context(), path, "ana"); err != nil {
							t.Error(err)
						}
					})
				}
				stream := gate.Hook(problem.Write)(param.Operation{Scope: "read", Produces: []string{"text/event-stream"}},
					http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
				request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", http.NoBody)
				request.Header.Set("Authorization", "Bearer "+secret)
				begun := time.Now()
				httpserve.Chain{Log: new(apitest.Log).Logger(), Fail: problem.Write}.Middleware(stream).ServeHTTP(httptest.NewRecorder(), request)
				if took := time.Since(begun); took < tt.least || took > tt.most {
					t.Errorf("the stream ended after %s, want %s to %s", took, tt.least, tt.most)
				}
			})
		})
	}
}
