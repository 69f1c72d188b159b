package stream_test

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func columns() []stream.Column {
	return []stream.Column{
		{Name: "timestamp", Kind: stream.Timestamp},
		{Name: "turbine_id", Kind: stream.Int32},
		{Name: "wind_speed", Kind: stream.Float64, Unit: "m/s"},
		{Name: "power", Kind: stream.Float64, Unit: "kW"},
	}
}

func micros(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func sampleRows() [][]stream.Value {
	row := func(at string, id int32, wind, power stream.Value) []stream.Value {
		return []stream.Value{pgrow.OfTimestamp(micros(at)), pgrow.OfInt32(id), wind, power}
	}
	f := pgrow.OfFloat64
	return [][]stream.Value{
		row("2025-01-01T00:00:00Z", 1, f(6.745), f(304.16)),
		row("2025-01-01T00:01:00Z", 1, stream.Value{}, f(-12.5)),
		row("2025-01-01T00:01:00.5Z", 1, f(0), stream.Value{}),
		row("2025-01-01T00:01:00.000001Z", math.MaxInt32, f(1e21), f(1e-7)),
		row("1969-12-31T23:59:59.999999Z", 2, f(5), f(1e20)),
		row("2025-12-31T23:59:00Z", 2, f(0.30000000000000004), f(math.MaxFloat64)),
	}
}

func encode(tb testing.TB, format stream.Format, columns []stream.Column, rows [][]stream.Value) []byte {
	tb.Helper()
	var buf stream.Buffer
	e := format.New(columns)
	if err := e.Begin(&buf); err != nil {
		tb.Fatal(err)
	}
	for _, row := range rows {
		if err := e.Row(&buf, row); err != nil {
			tb.Fatal(err)
		}
	}
	if err := e.End(&buf); err != nil {
		tb.Fatal(err)
	}
	return buf.B
}

// manyRows are n rows of columns(), some of whose readings are null: none in
// the first 5,000, then ever more.
func manyRows(n int) [][]stream.Value {
	at := micros("2025-01-01T00:00:00Z")
	rows := make([][]stream.Value, n)
	for i := range rows {
		wind, power := pgrow.OfFloat64(float64(i%25_000)/1000), pgrow.OfFloat64(float64(i%200_000)/100-50)
		if i >= 5000 && i%7 == 0 {
			wind = stream.Value{}
		}
		if i >= 6000 && i%2 == 0 {
			power = stream.Value{}
		}
		rows[i] = []stream.Value{pgrow.OfTimestamp(at + int64(i)*60_000_000), pgrow.OfInt32(int32(1 + i/1440)), wind, power}
	}
	return rows
}

// format is the one of that name.
func format(tb testing.TB, name string) stream.Format {
	tb.Helper()
	for _, f := range stream.Formats() {
		if f.Name == name {
			return f
		}
	}
	tb.Fatalf("there is no format %s", name)
	return stream.Format{}
}
