package etl

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/stream"
)

// row is a sample for an Arrow answer; its power is missing.
type row struct {
	turbine   int32
	at        time.Time
	windSpeed float64
}

// arrowOf is the API's answer with some rows, by its own encoder.
func arrowOf(t testing.TB, columns []stream.Column, rows []row) []byte {
	t.Helper()
	var buf stream.Buffer
	encoder := stream.NewArrow(columns)
	if err := encoder.Begin(&buf); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		all := []stream.Value{
			pgrow.OfTimestamp(r.at.UnixMicro()), pgrow.OfInt32(r.turbine),
			pgrow.OfFloat64(r.windSpeed),
			{},
			pgrow.OfFloat64(20),
		}
		if err := encoder.Row(&buf, all[:len(columns)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.End(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.B
}

func sampleColumns() []stream.Column {
	return []stream.Column{
		{Name: "timestamp", Kind: stream.Timestamp},
		{Name: "turbine_id", Kind: stream.Int32},
		{Name: "wind_speed", Kind: stream.Float64},
		{Name: "power", Kind: stream.Float64},
		{Name: "ambient_temperature", Kind: stream.Float64},
	}
}

func decodeArrow(body []byte, turbines ...int32) (group, error) {
	return decode(bytes.NewReader(body), arrowStream, turbines, testDay(), testDay().AddDate(0, 0, 1).Add(-time.Microsecond), check.NewRules(nil))
}

// rowsOf is a whole day of some turbines.
func rowsOf(turbines ...int32) []row {
	var rows []row
	for _, id := range turbines {
		for minute := range samplesPerDay {
			rows = append(rows, row{id, testDay().Add(time.Duration(minute) * time.Minute), float64(minute%10) + float64(id)})
		}
	}
	return rows
}

func TestDecodeArrow(t *testing.T) {
	t.Parallel()
	// More than one batch.
	g, err := decodeArrow(arrowOf(t, sampleColumns(), rowsOf(1, 3, 4, 7)), 1, 2, 3, 4, 7)
	if err != nil || g.samples != 4*samplesPerDay || len(g.read) != 5 || len(g.series) != 4 {
		t.Fatalf("decode: got %d samples, %d turbines, %d series, %v; want %d, 5, 4", g.samples, len(g.read), len(g.series), err, 4*samplesPerDay)
	}
	last := g.series[3]
	counts := []int{last.windows[143].Stats[0].Count, last.windows[143].Stats[1].Count, last.windows[143].Stats[2].Count}
	if diff := cmp.Diff([]int{10, 0, 10}, counts); last.turbine != 7 || len(last.windows) != 144 || last.windows[0].Stats[0].Mean != 11.5 || diff != "" {
		t.Errorf("series of turbine %d: %d windows, mean %v, counts (-want +got):\n%s", last.turbine, len(last.windows), last.windows[0].Stats[0].Mean, diff)
	}
	if g, err := decodeArrow(arrowOf(t, sampleColumns(), nil), 1); err != nil || g.samples != 0 || len(g.series) != 0 {
		t.Errorf("no rows: got %d samples, %v", g.samples, err)
	}
}

func TestDecodeArrowRefuses(t *testing.T) {
	t.Parallel()
	whole := arrowOf(t, sampleColumns(), rowsOf(1))
	at := testDay()
	asText := sampleColumns()
	asText[2].Kind = stream.Timestamp
	tests := map[string]struct {
		body    []byte
		damaged bool
		want    string
	}{
		"nothing":           {nil, true, "broken answer"},
		"a page":            {[]byte("<html><body>not here</body></html>"), true, "broken answer"},
		"cut in the schema": {whole[:40], true, "broken answer"},
		"cut in a batch":    {whole[:len(whole)/2], true, "broken answer"},
		"another turbine":   {arrowOf(t, sampleColumns(), []row{{9, at, 1}}), false, "row 1: turbine 9 was not asked for"},
		"the day after":     {arrowOf(t, sampleColumns(), []row{{1, at, 1}, {1, at.AddDate(0, 0, 1), 1}}), false, "row 2: timestamp 2025-01-03T00:00:00Z was not asked for"},
		"no power":          {arrowOf(t, sampleColumns()[:3], []row{{1, at, 1}}), false, "0 columns power"},
		"another type":      {arrowOf(t, asText, []row{{1, at, 1}}), false, "wind_speed is of type timestamp"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeArrow(tt.body, 1, 2)
			if err == nil || errors.Is(err, errBroken) != tt.damaged || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("decode: got %v, want %q, broken %t", err, tt.want, tt.damaged)
			}
		})
	}
}

// One iteration is a day of 8 turbines, 11,520 rows: 0 allocations a row.
func BenchmarkDecodeArrow(b *testing.B) {
	turbines := turbinesTo(8)
	benchmarkDecode(b, arrowOf(b, sampleColumns(), rowsOf(turbines...)), arrowStream, turbines)
}
