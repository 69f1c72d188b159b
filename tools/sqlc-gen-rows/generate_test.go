package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sqlc-dev/plugin-sdk-go/plugin"
	"google.golang.org/protobuf/encoding/protojson"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// request is one that sqlc made.
func request(t *testing.T) *plugin.GenerateRequest {
	t.Helper()
	text, err := os.ReadFile("testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	var r plugin.GenerateRequest
	if err := protojson.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	got, err := generate(t.Context(), request(t))
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/rows.go.txt"
	if *update {
		if err := os.WriteFile(golden, got.GetFiles()[0].GetContents(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got.GetFiles()[0].GetContents())); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*plugin.GenerateRequest)
		want   string
	}{
		"no options":      {func(r *plugin.GenerateRequest) { r.PluginOptions = []byte("{}") }, "package and runtime are needed"},
		"another mark":    {func(r *plugin.GenerateRequest) { r.Queries[0].Comments = []string{" @streams"} }, "@streams is not a mark"},
		"another word":    {func(r *plugin.GenerateRequest) { r.Queries[0].Comments = []string{" @stream hashed"} }, `does not take "hashed"`},
		"one row":         {func(r *plugin.GenerateRequest) { r.Queries[0].Cmd = ":one" }, ":many"},
		"both marks":      {func(r *plugin.GenerateRequest) { r.Queries[0].Comments = []string{"@stream", "@copy"} }, "either @stream or @copy"},
		"an unknown type": {func(r *plugin.GenerateRequest) { r.Queries[0].Columns[0].Type.Name = "point" }, "values of type point"},
		"an array":        {func(r *plugin.GenerateRequest) { r.Queries[0].Columns[0].IsArray = true }, "values of type int4[] can't be streamed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(t)
			tt.change(r)
			if _, err := generate(t.Context(), r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
