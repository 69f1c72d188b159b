package stream_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/stream"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	onOffer := []stream.Format{
		{Name: "json", MediaType: "application/json"},
		{Name: "csv", MediaType: "text/csv"},
		{Name: "arrow", MediaType: "application/vnd.apache.arrow.stream"},
	}
	tests := []struct {
		accept []string
		want   string // "" is a 406
	}{
		{nil, "json"},
		{[]string{""}, "json"},
		{[]string{"*/*"}, "json"},
		{[]string{"application/*"}, "json"},
		{[]string{"application/json"}, "json"},
		{[]string{"Application/JSON; charset=utf-8"}, "json"},
		{[]string{"text/*"}, "csv"},
		{[]string{"text/csv"}, "csv"},
		{[]string{"text/csv, application/json"}, "json"},
		{[]string{"text/csv;q=0.9, application/json;q=0.8"}, "csv"},
		{[]string{"application/json;q=0.5", "text/csv"}, "csv"},
		{[]string{"application/json;q=0, */*"}, "csv"},
		{[]string{"*/*;q=0.1, application/vnd.apache.arrow.stream"}, "arrow"},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "json"},
		{[]string{"text/html"}, ""},
		{[]string{"*/*;q=0"}, ""},
		{[]string{"application/json;q=0"}, ""},
		{[]string{"application/json;q=2"}, ""},
		{[]string{"nonsense, text/csv"}, "csv"},
		{[]string{",,"}, ""},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.accept, "|"), func(t *testing.T) {
			t.Parallel()
			got, err := stream.Negotiate(tt.accept, onOffer)
			if got.Name != tt.want {
				t.Errorf("got %q, %v; want %q", got.Name, err, tt.want)
			}
			if tt.want == "" && (problem.Status(err) != http.StatusNotAcceptable || !strings.Contains(err.Error(), "text/csv")) {
				t.Errorf("got %v, want a 406 that lists what is on offer", err)
			}
		})
	}
}
