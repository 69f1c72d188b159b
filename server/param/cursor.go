package param

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/delfos/delfos/server/problem"
)

// Key is that of the last row of a page.
type Key struct {
	Turbine int32
	Micros  int64 // of Unix time
	Signal  int32 // 0 of a row that has all of them
}

// A cursor is base64url of version, key and a sum:
//
//	1  version
//	4  turbine of the last row sent, big-endian
//	8  its time in microseconds of Unix time, big-endian
//	4  its signal, big-endian
//	8  the start of the SHA-256 of all that and of what was asked
//
// The sum makes a cursor of another question, or one that was tampered with, an
// error instead of a page of something else. It is no secret: who computes one
// gets no more than what start would give.
const (
	cursorVersion = 2
	cursorKeySize = 1 + 4 + 8 + 4
	cursorSize    = cursorKeySize + 8
)

// wantCursor completes the sentence about a cursor that is not one of ours.
const wantCursor = `is none that a Link with rel="next" had for the same parameters`

// Cursor is the text that ParseCursor reads as k; asked is what decides, beside the
// span, which rows there are.
func (k Key) Cursor(s Span, asked string) string {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(k.Turbine))
	b = binary.BigEndian.AppendUint64(b, uint64(k.Micros))
	b = binary.BigEndian.AppendUint32(b, uint32(k.Signal))
	return base64.RawURLEncoding.EncodeToString(s.sum(b, asked))
}

// ParseCursor reads a cursor that was made for the same question; nil is none.
func ParseCursor(cursor *string, s Span, asked string) (*Key, error) {
	if cursor == nil {
		return nil, nil //nolint:nilnil // The first page has no key before it.
	}
	b, ok := decodeCursor(*cursor)
	if ok && string(s.sum(b[:cursorKeySize], asked)) == string(b) {
		k := Key{int32(binary.BigEndian.Uint32(b[1:])), int64(binary.BigEndian.Uint64(b[5:])), int32(binary.BigEndian.Uint32(b[13:]))}
		// A forged one may have a sum that fits.
		if k.Turbine > 0 && k.Micros >= s.Start.UnixMicro() && k.Micros <= s.End.UnixMicro() {
			return &k, nil
		}
	}
	return nil, problem.Parameters(problem.Invalid("cursor", *cursor, wantCursor))
}

func (s Span) sum(b []byte, asked string) []byte {
	turbines := ""
	if s.Turbines != nil {
		turbines = s.Turbines.String()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %d %d %s %s", b, s.Start.UnixMicro(), s.End.UnixMicro(), turbines, asked))
	return append(slices.Clip(b), sum[:cursorSize-cursorKeySize]...)
}

// decodeCursor reads what a cursor is made of; the sum is not checked.
func decodeCursor(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) == cursorSize && b[0] == cursorVersion
}

// Cursor checks whether a value may be a cursor at all.
func Cursor(value string) string {
	_, ok := decodeCursor(value)
	return unless(ok, wantCursor)
}
