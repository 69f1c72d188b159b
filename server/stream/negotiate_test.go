package stream_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/stream"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	onOffer := []stream.Format{
		{Name: "json", MediaType: "application/json"},
		{Name: "csv", MediaType: "text/csv", Also: []string{"text/plain"}},
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
		{[]string{"text/plain"}, "csv"},
		{[]string{"text/plain, application/json"}, "json"},
		{[]string{"text/plain, */*;q=0.1"}, "csv"},
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
			got, err := stream.Negotiate(tt.accept, "", onOffer)
			if got.Name != tt.want {
				t.Errorf("got %q, %v; want %q", got.Name, err, tt.want)
			}
			if tt.want == "" && (apitest.Status(err) != http.StatusNotAcceptable || !strings.Contains(err.Error(), "text/csv")) {
				t.Errorf("got %v, want a 406 that lists what is on offer", err)
			}
		})
	}
}

func TestNegotiateByName(t *testing.T) {
	t.Parallel()
	for _, f := range stream.Formats() {
		// The name wins over what Accept says, also if that takes none.
		got, err := stream.Negotiate([]string{"text/html"}, f.Name, stream.Formats())
		if err != nil || got.MediaType != f.MediaType {
			t.Errorf("format %s: got %q, %v", f.Name, got.MediaType, err)
		}
	}
	for _, name := range []string{"xml", "JSON", "text/csv"} {
		_, err := stream.Negotiate(nil, name, stream.Formats())
		if apitest.Status(err) != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), "json, ndjson, csv, arrow, parquet") {
			t.Errorf("format %s: got %v, want a 422 that lists what is allowed", name, err)
		}
	}
}

func TestNegotiateListsEveryFormat(t *testing.T) {
	t.Parallel()
	_, err := stream.Negotiate([]string{"text/html"}, "", stream.Formats())
	if apitest.Status(err) != http.StatusNotAcceptable {
		t.Fatalf("got %v, want a 406", err)
	}
	for _, f := range stream.Formats() {
		if !strings.Contains(err.Error(), f.MediaType) {
			t.Errorf("%v lacks %s", err, f.MediaType)
		}
	}
}

func TestNegotiateCoding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept string
		want   string
	}{
		{"", ""},
		{"identity", ""},
		{"gzip", "gzip"},
		{"x-gzip", "gzip"},
		{"zstd", "zstd"},
		{"GZIP ; q=0.5", "gzip"},
		{"gzip, deflate, br", "gzip"},
		{"gzip, deflate, br, zstd", "zstd"},
		{"zstd;q=0.5, gzip;q=0.8", "gzip"},
		{"gzip;q=0.5, identity", ""},
		{"gzip, identity;q=0.5", "gzip"},
		{"gzip, identity", "gzip"},
		{"gzip;q=0", ""},
		{"br, deflate", ""},
		{"*", ""},
		{"*;q=0, gzip", "gzip"},
		{"identity;q=0, *", "gzip"},
		{"gzip;q=1.5", ""},
		{"gzip;level=9", ""},
		{"gzip;q=high", ""},
		{", ,", ""},
	}
	formats := stream.Formats()
	for _, tt := range tests {
		if got := stream.NegotiateCoding([]string{tt.accept}, formats[0]); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.accept, got, tt.want)
		}
		if got := stream.NegotiateCoding([]string{tt.accept}, formats[4]); got != "" {
			t.Errorf("%q: Parquet is compressed again, by %q", tt.accept, got)
		}
	}
	if got := stream.NegotiateCoding([]string{"br", "gzip"}, formats[0]); got != "gzip" {
		t.Errorf("of two headers the second counts for nothing: got %q", got)
	}
}
