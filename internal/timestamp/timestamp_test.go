package timestamp_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/timestamp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		{"2025-01-01T00:00:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01", "2025-01-01T00:00:00Z"},
		{"2025-01-01T23:59:59.999999Z", "2025-01-01T23:59:59.999999Z"},
		{"2025-01-01T23:59:59.9999999Z", "2025-01-01T23:59:59.999999Z"},
		{"2025-01-01T00:00:00.5", "2025-01-01T00:00:00.5Z"},
		{"2025-01-01T00:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01T00:00Z", "2025-01-01T00:00:00Z"},
		{"2025-01-01 12:30:00", "2025-01-01T12:30:00Z"},
		{"2025-01-01t12:30:00z", "2025-01-01T12:30:00Z"},
		{" 2025-01-01 ", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00:00+01:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00:00+0100", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00:00+01", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00+01:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00+0100", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00+01", "2025-01-01T00:00:00Z"},
		{"2024-12-31T19:00:00-05:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01T23:59:00+23:59", "2025-01-01T00:00:00Z"},
		{"2025-01-01T00:00:24.60Z", "2025-01-01T00:00:24.6Z"},
		// An unescaped plus of a query string.
		{"2025-01-01T01:00:00 01:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01 01:00:00 01:00", "2025-01-01T00:00:00Z"},
		{"2025-01-01T01:00 0100", "2025-01-01T00:00:00Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z"},
		{"0001-01-01", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			got, err := timestamp.Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.in, err)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]error{
		"":                              timestamp.ErrMalformed,
		"yesterday":                     timestamp.ErrMalformed,
		"2025":                          timestamp.ErrMalformed,
		"20250101":                      timestamp.ErrMalformed,
		"1735689600":                    timestamp.ErrMalformed,
		"1735689600.5":                  timestamp.ErrMalformed,
		"1735689600000":                 timestamp.ErrMalformed,
		"2025-1-1":                      timestamp.ErrMalformed,
		"2025-02-29":                    timestamp.ErrMalformed,
		"2025-13-01":                    timestamp.ErrMalformed,
		"2025-01-01T":                   timestamp.ErrMalformed,
		"2025-01-01T1:00:00":            timestamp.ErrMalformed,
		"2025-01-01T24:00:00":           timestamp.ErrMalformed,
		"2025-01-01T00:60:00":           timestamp.ErrMalformed,
		"2025-01-01T23:59:60Z":          timestamp.ErrMalformed,
		"2025-01-01T00:00:00,5Z":        timestamp.ErrMalformed,
		"2025-01-01T00:00:00+99:00":     timestamp.ErrMalformed,
		"2025-01-01T00:00:00+24:00":     timestamp.ErrMalformed,
		"2025-01-01T00:00:00-24:00":     timestamp.ErrMalformed,
		"2025-01-01T00:00:00+01:60":     timestamp.ErrMalformed,
		"2025-01-01T00:00:00 24:00":     timestamp.ErrMalformed,
		"2025-01-01T00:00+0160":         timestamp.ErrMalformed,
		"2025-01-01T00:00-24":           timestamp.ErrMalformed,
		"2025-01-01T00:00:00Z+01:00":    timestamp.ErrMalformed,
		"2025-01-01T00:00:00 UTC":       timestamp.ErrMalformed,
		"2025-01-01T00:00:00Z;DROP":     timestamp.ErrMalformed,
		"infinity":                      timestamp.ErrMalformed,
		"-0001-01-01":                   timestamp.ErrMalformed,
		"10000-01-01":                   timestamp.ErrMalformed,
		"0000-12-31T23:59:59Z":          timestamp.ErrRange,
		"0001-01-01T00:00:00+01:00":     timestamp.ErrRange,
		"9999-12-31T23:59:59.999-01:00": timestamp.ErrRange,
	}
	for in, want := range tests {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if got, err := timestamp.Parse(in); !errors.Is(err, want) {
				t.Errorf("Parse(%q) = %v, %v; want error %v", in, got, err, want)
			}
		})
	}
}

// A parameter is whole microseconds, however many zeros follow; what is read from
// elsewhere is truncated.
func TestBind(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"2025-01-01T00:00:00.123456Z":             nil,
		"2025-01-01T00:00:00.123456000Z":          nil,
		"2025-01-01 00:00:00.5000000 01:00":       nil,
		"2025-01-01T23:59:59.999999999Z":          timestamp.ErrPrecision,
		"2025-01-01T23:59:59.9999995":             timestamp.ErrPrecision,
		"2025-01-01T00:00:00.000000001+01:00":     timestamp.ErrPrecision,
		"9999-12-31T23:59:59.999999999-01:00":     timestamp.ErrRange,
		"2025-01-01T23:59:59.999999999Z nonsense": timestamp.ErrMalformed,
	} {
		var bound timestamp.Time
		if err := bound.Bind(in); !errors.Is(err, want) {
			t.Errorf("Bind(%q): got %v, want %v", in, err, want)
		}
		if parsed, err := timestamp.Parse(in); want == nil && (err != nil || parsed != bound) {
			t.Errorf("Bind(%q): got %v, want %v", in, bound, parsed)
		}
	}
}

func TestBindIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, zone, want string
		err            error
	}{
		{"2025-10-26", "Europe/Berlin", "2025-10-25T22:00:00Z", nil},
		{"2025-10-27", "Europe/Berlin", "2025-10-26T23:00:00Z", nil},
		{"2025-10-26T12:00:00.5", "Europe/Berlin", "2025-10-26T11:00:00.5Z", nil},
		{"2025-10-26T12:00Z", "Europe/Berlin", "2025-10-26T12:00:00Z", nil},
		{"2025-10-26 01:59", "Europe/Berlin", "2025-10-25T23:59:00Z", nil},
		{"2025-10-26 02:30", "Europe/Berlin", "", timestamp.ErrTwice},
		{"2025-10-26 02:30+01:00", "Europe/Berlin", "2025-10-26T01:30:00Z", nil},
		{"2025-10-26 03:00", "Europe/Berlin", "2025-10-26T02:00:00Z", nil},
		{"2025-03-30 02:30", "Europe/Berlin", "", timestamp.ErrSkipped},
		{"2025-03-30 03:00", "Europe/Berlin", "2025-03-30T01:00:00Z", nil},
		{"2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", nil},    // midnight is left out
		{"2018-11-04T00:00", "America/Sao_Paulo", "", timestamp.ErrSkipped}, // asked for by its name
		{"2025-11-02", "America/Havana", "2025-11-02T04:00:00Z", nil},       // midnight comes twice
		{"2025-01-01T00:00:00.0000001", "Europe/Berlin", "", timestamp.ErrPrecision},
		{"0001-01-01", "Europe/Berlin", "", timestamp.ErrRange},
		{"9999-12-31T23:59", "America/Havana", "", timestamp.ErrRange},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		var got timestamp.Time
		if err := got.BindIn(tt.in, zone); !errors.Is(err, tt.err) || tt.err == nil && got.String() != tt.want {
			t.Errorf("BindIn(%q, %s): got %s, %v, want %s, %v", tt.in, tt.zone, got, err, tt.want, tt.err)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	in := timestamp.New(time.Date(2025, 1, 1, 1, 0, 0, 1_500, time.FixedZone("", 3600)))
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `"2025-01-01T00:00:00.000001Z"`; got != want {
		t.Errorf("Marshal = %s, want %s", got, want)
	}
	var out timestamp.Time
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("Unmarshal(%s) = %v, %v; want %v", b, out, err, in)
	}
	if err := json.Unmarshal([]byte(`"nonsense"`), &out); !errors.Is(err, timestamp.ErrMalformed) {
		t.Errorf("Unmarshal of nonsense: %v", err)
	}
}

// The hand-written form is that of package time for every instant that fits.
func FuzzAppendMicros(f *testing.F) {
	for _, s := range []string{
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z",
		"2024-02-29T12:34:56.78Z", "2000-02-29T00:00:00Z", "1900-02-28T23:59:59Z", "1900-03-01T00:00:00.000001Z",
	} {
		t, err := timestamp.Parse(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(t.Time().UnixMicro())
	}
	first := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	last := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	f.Fuzz(func(t *testing.T, micros int64) {
		if micros < first || micros >= last {
			return
		}
		got := string(timestamp.AppendMicros(nil, micros))
		want := time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.999999Z")
		if got != want {
			t.Fatalf("AppendMicros(%d) = %s, want %s", micros, got, want)
		}
		back, err := timestamp.Parse(got)
		if err != nil || back.Time().UnixMicro() != micros {
			t.Fatalf("Parse(%s) = %v, %v; want %d µs", got, back, err, micros)
		}
	})
}

// Every day of three eras, so that no leap rule is missed.
func TestAppendMicrosEveryDay(t *testing.T) {
	t.Parallel()
	for day := time.Date(1599, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2801; day = day.AddDate(0, 0, 1) {
		got := string(timestamp.AppendMicros(nil, day.UnixMicro()))
		if want := day.Format(time.RFC3339); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func BenchmarkAppendMicros(b *testing.B) {
	buf := make([]byte, 0, 64)
	micros := time.Date(2025, 6, 1, 12, 34, 0, 0, time.UTC).UnixMicro()
	b.ReportAllocs()
	for b.Loop() {
		buf = timestamp.AppendMicros(buf[:0], micros)
	}
}
