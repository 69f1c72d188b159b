package stream_test

import (
	"testing"

	"github.com/delfos/delfos/server/stream"
)

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
		if got := stream.Matches(header, etag); got != want {
			t.Errorf("If-None-Match: %s: %t, want %t", header, got, want)
		}
	}
}
