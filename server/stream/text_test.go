package stream_test

import (
	"math"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/server/stream"
)

func TestNDJSONGolden(t *testing.T) {
	t.Parallel()
	golden.Equal(t, "rows.ndjson", encode(t, format(t, "ndjson"), columns(), sampleRows()))
}

func TestCSVGolden(t *testing.T) {
	t.Parallel()
	golden.Equal(t, "rows.csv", encode(t, format(t, "csv"), columns(), sampleRows()))
}

func TestTextWithoutRows(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"json":   "[]",
		"ndjson": "",
		"csv":    "timestamp,turbine_id,wind_speed,power\r\n",
	} {
		if got := string(encode(t, format(t, name), columns(), nil)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// What a format has no form for is an error in all of them, not only where the
// text would be wrong.
func TestRefusesWhatIsNoReading(t *testing.T) {
	t.Parallel()
	f := pgrow.OfFloat64
	good := sampleRows()[0]
	for name, bad := range map[string][]stream.Value{
		"wind_speed is NaN":  {good[0], good[1], f(math.NaN()), f(1)},
		"power is +Inf":      {good[0], good[1], f(1), f(math.Inf(1))},
		"power is -Inf":      {good[0], good[1], f(1), f(math.Inf(-1))},
		"timestamp is null":  {{}, good[1], f(1), f(1)},
		"turbine_id is null": {good[0], {}, f(1), f(1)},
	} {
		for _, format := range stream.Formats() {
			var buf stream.Buffer
			e := format.New(columns())
			if err := e.Begin(&buf); err != nil {
				t.Fatal(err)
			}
			if err := e.Row(&buf, good); err != nil {
				t.Fatal(err)
			}
			err := e.Row(&buf, bad)
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "row 2") {
				t.Errorf("%s: got %v, want an error that says that in row 2 %s", format.Name, err, name)
			}
		}
	}
}
