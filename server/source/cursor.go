package source

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/delfos/delfos/server/httpserve"
)

// A cursor is base64url of version, turbine, time and a sum:
//
//	1  version
//	4  turbine of the last row sent, big-endian
//	8  its time in microseconds of Unix time, big-endian
//	8  the start of the SHA-256 of all that and of start, end and turbines
//
// The sum makes a cursor of another question, or one that was tampered with, an
// error instead of a page of something else. It is no secret: who computes one
// gets no more than what start would give.
const (
	cursorVersion = 1
	cursorKeySize = 1 + 4 + 8
	cursorSize    = cursorKeySize + 8
)

// wantCursor completes the sentence about a cursor that is not one of ours.
const wantCursor = `is none that a Link with rel="next" had for this start, end and turbines`

// cursor is the text that parseCursor reads as k.
func (q query) cursor(k key) string {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(k.turbine))
	b = binary.BigEndian.AppendUint64(b, uint64(k.micros))
	return base64.RawURLEncoding.EncodeToString(q.sum(b))
}

// parseCursor reads a cursor that was made for the same question; limit,
// variables and format may change from page to page.
func (q query) parseCursor(s string) (key, bool) {
	b, ok := decodeCursor(s)
	if !ok || string(q.sum(b[:cursorKeySize])) != string(b) {
		return key{}, false
	}
	k := key{int32(binary.BigEndian.Uint32(b[1:])), int64(binary.BigEndian.Uint64(b[5:]))}
	// A forged one may have a sum that fits.
	return k, k.turbine > 0 && k.micros >= q.start.UnixMicro() && k.micros <= q.stop.UnixMicro()
}

// sum appends the sum to a cursor's key.
func (q query) sum(b []byte) []byte {
	turbines := ""
	if q.turbines != nil {
		turbines = q.turbines.String()
	}
	asked := fmt.Appendf(nil, "%x %d %d %s", b, q.start.UnixMicro(), q.stop.UnixMicro(), turbines)
	sum := sha256.Sum256(asked)
	return append(slices.Clip(b), sum[:cursorSize-cursorKeySize]...)
}

// decodeCursor reads what a cursor is made of; the sum is not checked.
func decodeCursor(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) == cursorSize && b[0] == cursorVersion
}

// checkCursor is the check of a parameter: whether it may be a cursor at all.
func checkCursor(s string) string {
	if _, ok := decodeCursor(s); !ok {
		return wantCursor
	}
	return ""
}

// link is the value of Link for a page that others follow: the request's own
// address with another cursor. It is "" for the last page.
func (a answer) link(got reading) string {
	if !got.more {
		return ""
	}
	values := a.r.URL.Query()
	values.Set("cursor", a.q.cursor(got.last))
	return httpserve.Link(a.r, values, "next")
}
