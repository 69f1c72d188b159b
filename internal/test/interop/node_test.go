//go:build node

package interop_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hyparquet and Arrow's JavaScript library make the same NDJSON of Parquet and
// Arrow as the API itself.
func TestNodeReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := b.get(all + "&format=ndjson")
	for format, parts := range map[string]int{"arrow": 18, "parquet": 2} {
		node := exec.CommandContext(t.Context(), "node", "../../../tools/readers/read.mjs", format)
		node.Stdin = bytes.NewReader(b.get(all + "&format=" + format))
		var stdout, stderr bytes.Buffer
		node.Stdout, node.Stderr = &stdout, &stderr
		if err := node.Run(); err != nil {
			t.Fatalf("node: %v (npm ci --prefix tools/readers installs what it needs)\n%s", err, &stderr)
		}
		wantLines(t, want, stdout.Bytes())
		type about struct {
			Parts int               `json:"parts"`
			Units map[string]string `json:"units"`
		}
		var got about
		if err := json.Unmarshal(stderr.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		units := map[string]string{"wind_speed": "m/s", "power": "kW", "ambient_temperature": "°C"}
		if diff := cmp.Diff(about{parts, units}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}
