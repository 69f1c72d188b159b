// Package sourcetest plays the source API in tests of its clients: answers as the
// API sends them, to be spoiled at will.
package sourcetest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
)

// Arrow is the media type of samples.
const Arrow = "application/vnd.apache.arrow.stream"

// Row is a sample: its first variable reads a value, the second is missing, the
// others read 20.
type Row struct {
	Turbine int32
	At      time.Time
	Value   float64
}

// Day is a whole day of turbines, a sample a minute: the last digit of the minute
// and the turbine's id added up.
func Day(day time.Time, turbines ...int32) []Row {
	var rows []Row
	for _, id := range turbines {
		for minute := range 24 * 60 {
			rows = append(rows, Row{id, day.Add(time.Duration(minute) * time.Minute), float64(minute%10) + float64(id)})
		}
	}
	return rows
}

// Columns are those of samples.
func Columns() []stream.Column {
	columns := []stream.Column{{Name: "timestamp", Kind: stream.Timestamp}, {Name: "turbine_id", Kind: stream.Int32}}
	for _, name := range variable.Names {
		columns = append(columns, stream.Column{Name: name, Kind: stream.Float64})
	}
	return columns
}

// Encode writes rows of columns as the API does, by its own encoder.
func Encode(tb testing.TB, columns []stream.Column, rows []Row) []byte {
	tb.Helper()
	var buf stream.Buffer
	encoder := stream.NewArrow(columns)
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	must(encoder.Begin(&buf))
	for _, row := range rows {
		values := []stream.Value{pgrow.OfTimestamp(row.At.UnixMicro()), pgrow.OfInt32(row.Turbine), pgrow.OfFloat64(row.Value), {}}
		for len(values) < len(columns) {
			values = append(values, pgrow.OfFloat64(20))
		}
		must(encoder.Row(&buf, values[:len(columns)]))
	}
	must(encoder.End(&buf))
	return buf.B
}

// Answer is one to be sent.
type Answer struct {
	Status      int    // 200 if it is zero
	ContentType string // Arrow if it is empty
	Body        []byte
	Rows        int    // the trailer
	Digest      string // the trailer; the body's if it is empty, none if it is "-"
	Cut         bool   // ends without an end
}

// Rows is an answer with rows.
func Rows(tb testing.TB, rows ...Row) Answer {
	tb.Helper()
	return Answer{Body: Encode(tb, Columns(), rows), Rows: len(rows)}
}

// Digest is the trailer of a body.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// JSON is an answer with JSON.
func JSON(rows int, body string) Answer {
	return Answer{ContentType: "application/json", Body: []byte(body), Rows: rows}
}

// Problem is an error of the API's.
func Problem(status int, detail string) Answer {
	return Answer{Status: status, ContentType: "application/problem+json", Body: []byte(`{"detail":` + strconv.Quote(detail) + `}`)}
}

// ServeHTTP implements http.Handler.
func (a Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if a.Digest == "" {
		a.Digest = Digest(a.Body)
	}
	if a.ContentType == "" {
		a.ContentType = Arrow
	}
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("Trailer", "Delfos-Rows, Content-Digest")
	w.WriteHeader(max(a.Status, http.StatusOK))
	_, _ = w.Write(a.Body)
	if a.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if a.Digest != "-" {
		w.Header().Set("Delfos-Rows", strconv.Itoa(a.Rows))
		w.Header().Set("Content-Digest", a.Digest)
	}
}

// Serve has a handler play the API, and returns its URL.
func Serve(tb testing.TB, handler http.Handler) string {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server.URL
}

// Turbines is a list of turbines, as the API answers with it.
func Turbines(tb testing.TB, turbines ...sourceapi.Turbine) string {
	tb.Helper()
	body, err := json.Marshal(turbines)
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

// Asked are the ids that a request asks for.
func Asked(tb testing.TB, r *http.Request) []int32 {
	tb.Helper()
	var ids []int32
	for text := range strings.SplitSeq(strings.Join(r.URL.Query()["turbines"], ","), ",") {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			tb.Error(err)
		}
		ids = append(ids, int32(id))
	}
	return ids
}
