package main

import (
	"strings"
	"testing"

	"github.com/sqlc-dev/plugin-sdk-go/plugin"
)

func column(name, kind, unit string, notNull bool) *plugin.Column {
	return &plugin.Column{Name: name, Type: &plugin.Identifier{Name: kind}, Comment: unit, NotNull: notNull}
}

// request is sqlc's for a table sample with a key and some columns more, and for
// a table of the same name in another schema.
func request(options string, columns ...*plugin.Column) *plugin.GenerateRequest {
	table := func(columns ...*plugin.Column) []*plugin.Table {
		return []*plugin.Table{{Rel: &plugin.Identifier{Name: "sample"}, Columns: columns}}
	}
	return &plugin.GenerateRequest{PluginOptions: []byte(options), Catalog: &plugin.Catalog{
		DefaultSchema: "public",
		Schemas: []*plugin.Schema{
			{Name: "other", Tables: table(column("x", "text", "", false))},
			{Name: "public", Tables: table(append([]*plugin.Column{column("at", "timestamptz", "", true)}, columns...)...)},
		},
	}}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	response, err := generate(t.Context(), request(`{"package": "variable", "table": "sample"}`,
		column("wind_speed", "float8", "m/s", false), column("temperature", "float8", `"°C"`, false)))
	if err != nil {
		t.Fatal(err)
	}
	file := response.GetFiles()[0]
	if file.GetName() != "variable.go" {
		t.Errorf("the file is %s, want variable.go", file.GetName())
	}
	for _, want := range []string{
		"package variable\n", "WindSpeed = iota\n\tTemperature\n\tCount\n",
		`WindSpeed:   "wind_speed",` + "\n\t" + `Temperature: "temperature",`, `Temperature: "\"°C\"",`,
	} {
		if !strings.Contains(string(file.GetContents()), want) {
			t.Errorf("got\n%s\nwant %q in it", file.GetContents(), want)
		}
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	response, err := generate(t.Context(), request(`{"package": "attribute", "columns": "sample"}`, column("rated_power", "float8", "kW", false)))
	if err != nil {
		t.Fatal(err)
	}
	file := response.GetFiles()[0]
	if file.GetName() != "attribute.go" {
		t.Errorf("the file is %s, want attribute.go", file.GetName())
	}
	for _, want := range []string{
		"package attribute\n", `{Name: "at", Type: "timestamptz", Null: false, Unit: ""},`, `{Name: "rated_power", Type: "float8", Null: true, Unit: "kW"},`,
	} {
		if !strings.Contains(string(file.GetContents()), want) {
			t.Errorf("got\n%s\nwant %q in it", file.GetContents(), want)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	const options = `{"package": "variable", "table": "sample"}`
	for want, r := range map[string]*plugin.GenerateRequest{
		"options: ":                      request("{"),
		`there is no table "reading"`:    request(`{"package": "variable", "table": "reading"}`),
		`there is no table "farm"`:       request(`{"package": "attribute", "columns": "farm"}`),
		"sample.power has no unit":       request(options, column("power", "float8", "", false)),
		"sample.power is of type text: ": request(options, column("power", "text", "kW", false)),
	} {
		if _, err := generate(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want %q", err, want)
		}
	}
}

func TestEnumerations(t *testing.T) {
	t.Parallel()
	r := request(`{"package": "enum"}`)
	r.Catalog.Schemas[0].Enums = []*plugin.Enum{{Name: "foreign", Vals: []string{"a"}}}
	r.Catalog.Schemas[1].Enums = []*plugin.Enum{{Name: "run_state", Vals: []string{"queued", "not_yet"}}}
	response, err := generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	file := response.GetFiles()[0]
	got := string(file.GetContents())
	if file.GetName() != "enum.go" || strings.Contains(got, "Foreign") {
		t.Errorf("got %s:\n%s\nwant enum.go with the default schema's alone", file.GetName(), got)
	}
	for _, want := range []string{"type RunState string\n", `RunStateQueued RunState = "queued"`, `RunStateNotYet RunState = "not_yet"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q in it", got, want)
		}
	}
}
