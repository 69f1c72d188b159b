package source_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/server/stream"
)

// document is what the tests need of openapi.json.
type document struct {
	Paths map[string]struct {
		Get struct {
			Tags       []string
			Parameters []parameter
		}
	}
	Components struct {
		Schemas    map[string]struct{ Enum []string }
		Parameters map[string]parameter
	}
}

type parameter struct {
	Ref     string `json:"$ref"`
	Name    string
	In      string
	Example any
}

// The contract is served as it is, and its lists are the program's.
func TestServesItsContract(t *testing.T) {
	t.Parallel()
	b := setup(t)
	yaml, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if a := b.Get("/openapi.yaml"); a.Body != string(yaml) || a.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("/openapi.yaml is not the file: %d, %d bytes", a.Status, len(a.Body))
	}
	var doc document
	if err := json.Unmarshal([]byte(b.Get("/openapi.json").Body), &doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc.Components.Schemas["Variable"].Enum, variable.Names[:]); diff != "" {
		t.Errorf("variables (-contract +package variable):\n%s", diff)
	}
	var formats []string
	for _, f := range stream.Formats() {
		formats = append(formats, f.Name)
	}
	if diff := cmp.Diff(doc.Components.Schemas["Format"].Enum, formats); diff != "" {
		t.Errorf("formats (-contract +package stream):\n%s", diff)
	}
	for _, path := range []string{"/docs", "/redoc", "/docs/swagger-ui-bundle.js", "/redoc/redoc.standalone.js", "/ready"} {
		b.OK(path)
	}
}

// The documents' pages fill in the examples: together they are a request that
// is answered.
func TestExamplesTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var doc document
	if err := json.Unmarshal([]byte(b.Get("/openapi.json").Body), &doc); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for path, item := range doc.Paths {
		op := item.Get
		if !slices.Contains(op.Tags, "source") {
			continue
		}
		asked++
		query := url.Values{}
		var headers []string
		for _, p := range op.Parameters {
			if p.Ref != "" {
				p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			switch example := p.Example.(type) {
			case nil:
			case []any:
				for _, item := range example {
					query.Add(p.Name, fmt.Sprint(item))
				}
			default:
				if p.In == "header" {
					headers = append(headers, p.Name+": "+fmt.Sprint(example))
				} else {
					query.Set(p.Name, fmt.Sprint(example))
				}
			}
		}
		b.OK(path+"?"+query.Encode(), headers...)
	}
	if asked < 4 {
		t.Errorf("%d operations were tried, want /data, /data/changes, /data/digest and /turbines", asked)
	}
}

// A request has one line in the log, with what one needs to find it again.
func TestLogLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	b.Get("/data?"+day+"&variables=power,wind_speed", "X-Request-Id: mine-7")
	b.Get("/data?start=x")
	b.Get("/health")
	await.True(t, "three lines are there", func() bool { return len(b.log.Requests()) == 3 })
	lines := b.log.Requests()
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "path": "/data",
		"query": day + "&variables=power,wind_speed", "status": 200.0, "rows": 4.0, "request_id": "mine-7",
	}
	for name, value := range want {
		if lines[0][name] != value {
			t.Errorf("%s is %v, want %v", name, lines[0][name], value)
		}
	}
	for _, name := range []string{"bytes", "duration_ms", "remote", "time"} {
		if lines[0][name] == nil {
			t.Errorf("the line has no %s", name)
		}
	}
	if lines[1]["level"] != "WARN" || lines[1]["status"] != 422.0 {
		t.Errorf("a refused request is logged as %v", lines[1])
	}
	if lines[2]["level"] != "DEBUG" {
		t.Errorf("a probe is logged as %v", lines[2])
	}
}
