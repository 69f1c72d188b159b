package etl

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
)

// dayOf is the API's answer for a whole day of some turbines.
func dayOf(turbines []int32) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for _, id := range turbines {
		for minute := range samplesPerDay {
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			x := math.Sin(float64(minute) * float64(id))
			fmt.Fprintf(&b, `{"timestamp":"%s","turbine_id":%d,"wind_speed":%v,"power":%v,"ambient_temperature":%v}`,
				testDay().Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), id, 8+x, 1500+700*x, 12-4*x)
		}
	}
	b.WriteByte(']')
	return b.Bytes()
}

func decodeDay(body string, turbines ...int32) (group, error) {
	return decode(strings.NewReader(body), "application/json", turbines, testDay(), testDay().AddDate(0, 0, 1).Add(-time.Microsecond), check.NewRules(nil))
}

func TestDecode(t *testing.T) {
	t.Parallel()
	g, err := decodeDay(string(dayOf([]int32{1, 3})), 1, 2, 3)
	if err != nil || g.samples != 2*samplesPerDay || len(g.read) != 3 || len(g.series) != 2 {
		t.Fatalf("decode: got %d samples, %d turbines, %d series, %v; want %d, 3, 2", g.samples, len(g.read), len(g.series), err, 2*samplesPerDay)
	}
	if s := g.series[1]; s.turbine != 3 || len(s.windows) != 144 || s.windows[0].Stats[0].Count != 10 {
		t.Errorf("second series: got turbine %d, %d windows, want 3 and 144", s.turbine, len(s.windows))
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	sample := func(turbine int, at, rest string) string {
		return fmt.Sprintf(`{"timestamp":%q,"turbine_id":%d%s}`, at, turbine, rest)
	}
	tests := map[string]struct {
		body    string
		damaged bool // as against well-formed and wrong, which no retry mends
		want    string
	}{
		"nothing":             {"", true, "EOF"},
		"a page":              {"<html>", true, "invalid character"},
		"an object":           {`{"data":[]}`, true, "[ should be"},
		"cut":                 {"[" + sample(1, "2025-01-02T00:00:00Z", ""), true, "EOF"},
		"cut in a row":        {`[{"timestamp":"2025-01-02T00:00`, true, "row 1"},
		"a reading too large": {"[" + sample(1, "2025-01-02T00:00:00Z", `,"power":1e999`) + "]", true, "row 1"},
		"no turbine":          {`[{"timestamp":"2025-01-02T00:00:00Z"}]`, false, "row 1: it has no turbine_id"},
		"another turbine":     {"[" + sample(9, "2025-01-02T00:00:00Z", "") + "]", false, "turbine 9 was not asked for"},
		"turbines reversed":   {"[" + sample(2, "2025-01-02T00:00:00Z", "") + "," + sample(1, "2025-01-02T00:00:00Z", "") + "]", false, "row 2: turbine 1 was not asked for, or comes out of order"},
		"the day before":      {"[" + sample(1, "2025-01-01T23:59:59.999999Z", "") + "]", false, "2025-01-01T23:59:59.999999Z was not asked for"},
		"the day after":       {"[" + sample(1, "2025-01-03T00:00:00Z", "") + "]", false, "2025-01-03T00:00:00Z was not asked for"},
		"a time twice":        {"[" + sample(1, "2025-01-02T00:00:00Z", "") + "," + sample(1, "2025-01-02T00:00:00Z", "") + "]", false, window.ErrOrder.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeDay(tt.body, 1, 2)
			if err == nil || errors.Is(err, errBroken) != tt.damaged || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("decode: got %v, want %q, broken %t", err, tt.want, tt.damaged)
			}
		})
	}
}

// One iteration is a day of 8 turbines, 11,520 rows: 0 allocations a row.
func BenchmarkDecode(b *testing.B) {
	turbines := turbinesTo(8)
	body := dayOf(turbines)
	b.SetBytes(int64(len(body)))
	benchmarkDecode(b, body, "application/json", turbines)
}

func benchmarkDecode(b *testing.B, body []byte, mediaType string, turbines []int32) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		decodeFree(b, body, mediaType, turbines)
	}
	rows := float64(len(turbines) * samplesPerDay * b.N)
	b.ReportMetric(rows/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/rows, "ns/row")
}
