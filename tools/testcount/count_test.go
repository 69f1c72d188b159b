package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		events string
		passed int
		failed int
		output string
	}{
		{
			name: "a test with subtests is counted by them",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"run","Package":"p","Test":"A/y"}
{"Action":"output","Package":"p","Test":"A/y","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/y"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Elapsed":0.5}`,
			passed: 3,
			output: "ok   p  0.5s\n",
		},
		{
			name: "a failure counts once, however deep, and shows what was printed",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"run","Package":"p","Test":"A/x/z"}
{"Action":"output","Package":"p","Test":"A/x/z","Output":"=== RUN   A/x/z\n"}
{"Action":"output","Package":"p","Test":"A/x/z","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"A/x/z"}
{"Action":"fail","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			failed: 1,
			output: "got 1, want 2\nFAIL p\n",
		},
		{
			name: "a package that does not build is a failure",
			events: `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: no\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			failed: 1,
			output: "p.go:1: no\nFAIL\tp [build failed]\nFAIL p\n",
		},
		{
			name: "a package that fails after its tests passed is a failure",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Output":"goleak: leaked\n"}
{"Action":"fail","Package":"p"}`,
			passed: 1,
			failed: 1,
			output: "goleak: leaked\nFAIL p\n",
		},
		{
			name: "a test that never ended shows what it printed",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}`,
			failed: 1,
			output: "FAIL p\npanic: boom\n",
		},
		{
			name: "skipped tests are named and neither passed nor failed",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"no database\n"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}
{"Action":"skip","Package":"q"}`,
			output: "no database\nok   p  0.0s\n1 skipped\n",
		},
		{
			name:   "what is no event is printed",
			events: "go: downloading\n",
			output: "go: downloading\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c := newCount(&out)
			if err := c.read(strings.NewReader(tc.events)); err != nil {
				t.Fatalf("read: %v", err)
			}
			passed, failed := c.total()
			if passed != tc.passed || failed != tc.failed {
				t.Errorf("got %d passed, %d failed; want %d and %d", passed, failed, tc.passed, tc.failed)
			}
			if diff := cmp.Diff(tc.output, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}
