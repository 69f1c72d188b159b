package source

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/server/problem"
)

// GetDataChanges implements sourceserver.StrictServerInterface: the days that the writers of
// Delfos have noted, and whether rows were written that they did not.
func (s *Server) GetDataChanges(ctx context.Context, r sourceserver.GetDataChangesRequestObject) (sourceserver.GetDataChangesResponseObject, error) {
	var since *look
	var snapshot *string
	if text := r.Params.Since; text != nil {
		if since = parseLook(*text); since == nil {
			return nil, problem.Parameters(problem.Invalid("since", *text, "is no cursor that /data/changes has answered with"))
		}
		snapshot = &since.snapshot
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	found, err := sourcedb.New(session).LookAtChanges(ctx, snapshot)
	if err != nil {
		return nil, fmt.Errorf("look at what has changed: %w", err)
	}
	complete, next := since.follow(found)
	response := sourceserver.GetDataChanges200JSONResponse{Complete: complete, Cursor: next.String(), Days: make([]sourceapi.Day, len(found.Days))}
	for i, day := range found.Days {
		response.Days[i] = sourceapi.Day{Time: day}
	}
	return response, nil
}

// look is what has to be known of a look at the changes by the next one.
type look struct {
	epoch    int64
	written  int64 // rows ever written to data that are accounted for; negative if unknown
	snapshot string
}

// follow reports whether what was noted since accounts for all rows written since, and
// returns what the look after this one has to know.
//
// PostgreSQL counts what a session has written up to some seconds after it was committed.
// So notes may be ahead of the count: then it is expected to catch up, and what somebody
// else has written meanwhile shows as soon as it does.
func (l *look) follow(found sourcedb.LookAtChangesRow) (complete bool, next *look) {
	next = &look{found.Epoch, found.Written, found.Snapshot}
	if l == nil || l.epoch != found.Epoch || l.written < 0 || found.Written < 0 || found.Written > l.written+found.Noted {
		return false, next
	}
	next.written = l.written + found.Noted
	return true, next
}

const sumSize = 8

// String is the cursor: base64url of the look and a sum, by which parseLook knows its own.
func (l *look) String() string {
	b := fmt.Appendf(nil, "%d %d %s", l.epoch, l.written, l.snapshot)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:sumSize]...))
}

// parseLook reads a cursor; nil if it is none.
func parseLook(text string) *look {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= sumSize {
		return nil
	}
	l := &look{}
	if _, err := fmt.Sscanf(string(b[:len(b)-sumSize]), "%d %d %s", &l.epoch, &l.written, &l.snapshot); err != nil || l.String() != text {
		return nil
	}
	return l
}
