package source

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/param"
)

// question is one that cursors of the tests belong to.
func question(t *testing.T, turbines string) query {
	t.Helper()
	q := query{Span: param.Span{
		Start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		End:   time.Date(2025, 1, 1, 23, 59, 59, 0, time.UTC),
	}}
	if turbines != "" {
		set, err := selector.Parse(turbines)
		if err != nil {
			t.Fatal(err)
		}
		q.Turbines = &set
	}
	return q
}

func TestCursor(t *testing.T) {
	t.Parallel()
	q := question(t, "1-50,80")
	want := key{1, q.Start.Add(999 * time.Minute).UnixMicro()}
	text := q.cursor(want)
	// As in openapi.yaml: it may change with the version alone.
	if example := "AQAAAAEABiqnrsAxAElRoMWD4l7T"; text != example {
		t.Errorf("the cursor is %s, was %s", text, example)
	}
	if got, ok := q.parseCursor(text); got != want || !ok || checkCursor(text) != "" {
		t.Errorf("read back it is %v, %t", got, ok)
	}

	same := question(t, "80,1-25,26-50")
	if _, ok := same.parseCursor(text); !ok {
		t.Error("the same turbines in other words refuse it")
	}
	for name, other := range map[string]func(*query){
		"start":        func(q *query) { q.Start = q.Start.Add(-time.Microsecond) },
		"end":          func(q *query) { q.End = q.End.Add(time.Microsecond) },
		"turbines":     func(q *query) { *q = question(t, "1-50") },
		"no selection": func(q *query) { *q = question(t, "") },
	} {
		foreign := q
		other(&foreign)
		if k, ok := foreign.parseCursor(text); ok {
			t.Errorf("with another %s it is taken for %v", name, k)
		}
	}

	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ "
	for i := range text {
		for _, digit := range digits {
			if tampered := text[:i] + string(digit) + text[i+1:]; tampered != text {
				if k, ok := q.parseCursor(tampered); ok {
					t.Errorf("%s is taken for %v", tampered, k)
				}
			}
		}
		if _, ok := q.parseCursor(text[:i]); ok {
			t.Errorf("cut to %s it is taken", text[:i])
		}
	}

	// Whoever makes the sum right still gets nothing from outside the range.
	for _, forged := range []key{
		{0, want.micros}, {-1, want.micros}, {1, q.Start.UnixMicro() - 1}, {1, q.End.UnixMicro() + 1}, {1, -1 << 63},
	} {
		if _, ok := q.parseCursor(q.cursor(forged)); ok {
			t.Errorf("a forged %v is taken", forged)
		}
	}
	later, _ := base64.RawURLEncoding.DecodeString(text)
	later[0]++
	if checkCursor(base64.RawURLEncoding.EncodeToString(later)) == "" {
		t.Error("a cursor of another version is taken")
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	const etag = `"0123456789abcdef-json"`
	for header, want := range map[string]bool{
		etag:                            true,
		"W/" + etag:                     true,
		" " + etag + "\t":               true,
		`*`:                             true,
		` * `:                           true,
		`"a", ` + etag:                  true,
		`W/"a",W/"b",W/` + etag:         true,
		`"a" , ` + etag + ` , "b"`:      true,
		`"a,b", "", ` + etag:            true,
		`,, ` + etag + `,`:              true,
		`"a", "b"`:                      false,
		``:                              false,
		`""`:                            false,
		`0123456789abcdef-json`:         false,
		`"0123456789abcdef-json`:        false,
		`"0123456789abcdef-json-gzip"`:  false,
		`"0123456789ABCDEF-json"`:       false,
		`w/` + etag:                     false,
		`"a` + etag + `"`:               false,
		`"a", *`:                        false,
		`nonsense, ` + etag:             false,
		`"a" ` + etag:                   false,
		`"a,` + `0123456789abcdef-json`: false,
	} {
		if got := matches(header, etag); got != want {
			t.Errorf("If-None-Match: %s: %t, want %t", header, got, want)
		}
	}
}
