package target

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

const (
	// sessionTime is how long a browser stays signed in, if its token lasts so long.
	sessionTime = 12 * time.Hour
	// maxToken is how many bytes of a token a browser keeps in a cookie, less its name
	// and attributes.
	maxToken = 3800
)

// GetSession implements targetserver.StrictServerInterface.
func (s *Server) GetSession(ctx context.Context, _ targetserver.GetSessionRequestObject) (targetserver.GetSessionResponseObject, error) {
	if s.Gate == nil {
		return targetserver.GetSession200JSONResponse{Required: false}, nil
	}
	client, err := s.Gate.Of(httpserve.RequestOf(ctx))
	if problem.IsUnauthorized(err) {
		return targetserver.GetSession200JSONResponse{Required: true}, nil
	}
	return targetserver.GetSession200JSONResponse(session(client)), err
}

// CreateSession implements targetserver.StrictServerInterface. The cookie is the token
// itself, so that every server of a farm knows it and none keeps sessions, and so that
// it ends when the token is revoked.
func (s *Server) CreateSession(ctx context.Context, request targetserver.CreateSessionRequestObject) (targetserver.CreateSessionResponseObject, error) {
	token := request.Body.Token
	if len(token) > maxToken {
		return nil, problem.Parameters(problem.Unknown("token", fmt.Sprintf("has %d bytes, more than the %d that a browser keeps", len(token), maxToken)))
	}
	if s.Gate == nil {
		return targetserver.CreateSession200JSONResponse{}, nil
	}
	client, err := s.Gate.Identify(ctx, token)
	if err != nil {
		return nil, err
	}
	httpserve.NoteActor(ctx, client.Actor)
	if end := time.Now().Add(sessionTime); client.Expires.IsZero() || client.Expires.After(end) {
		client.Expires = end
	}
	cookie := sessionCookie(httpserve.RequestOf(ctx)) //nolint:gosec // It is Secure where a browser would keep it so.
	cookie.Value, cookie.Expires = token, client.Expires
	return targetserver.CreateSession200JSONResponse{
		Body:    session(client),
		Headers: targetserver.CreateSession200ResponseHeaders{SetCookie: new(cookie.String())},
	}, nil
}

// DeleteSession implements targetserver.StrictServerInterface.
func (s *Server) DeleteSession(ctx context.Context, _ targetserver.DeleteSessionRequestObject) (targetserver.DeleteSessionResponseObject, error) {
	cookie := sessionCookie(httpserve.RequestOf(ctx)) //nolint:gosec // It is Secure where a browser would keep it so.
	cookie.MaxAge = -1
	return targetserver.DeleteSession204Response{Headers: targetserver.DeleteSession204ResponseHeaders{SetCookie: new(cookie.String())}}, nil
}

// sessionCookie is a browser's cookie without what it stands for.
func sessionCookie(r *http.Request) http.Cookie {
	return http.Cookie{ //nolint:gosec // It is Secure where a browser would keep it so.
		Name: auth.Cookie, Path: httpserve.PathOf(r, "/"), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: httpserve.IsSecure(r),
	}
}

func session(c auth.Client) targetapi.Session {
	s := targetapi.Session{Required: true, Actor: &c.Actor}
	if c.Scope != "" {
		s.Scope = &c.Scope
	}
	if !c.Expires.IsZero() {
		s.ExpiresAt = new(c.Expires.UTC().Truncate(time.Second))
	}
	return s
}
