package stream_test

import (
	"testing"

	"github.com/delfos/delfos/internal/stream"
)

func TestOfPostgres(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind stream.Kind
		raw  []byte
		want stream.Value
		ok   bool
	}{
		{stream.Int32, []byte{0, 0, 1, 0}, stream.OfInt32(256), true},
		{stream.Int32, []byte{255, 255, 255, 255}, stream.OfInt32(-1), true},
		{stream.Float64, []byte{0x40, 0x04, 0, 0, 0, 0, 0, 0}, stream.OfFloat64(2.5), true},
		{stream.Timestamp, []byte{0, 0, 0, 0, 0, 0, 0, 1}, stream.OfTimestamp(946_684_800_000_001), true},
		{stream.Float64, nil, stream.Value{}, true},
		{stream.Int32, []byte("1"), stream.Value{}, false},
		{stream.Timestamp, []byte("2025"), stream.Value{}, false},
	}
	for _, tt := range tests {
		got, err := stream.OfPostgres(tt.kind, tt.raw)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("OfPostgres(%d, %x) = %+v, %v; want %+v, ok %t", tt.kind, tt.raw, got, err, tt.want, tt.ok)
		}
	}
	if v := stream.OfInt32(-7); v.Int32() != -7 || v.Null() {
		t.Errorf("OfInt32(-7) is %d", v.Int32())
	}
}
