package problem_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStatus(t *testing.T) {
	t.Parallel()
	code := func(c string) error { return &pgconn.PgError{Code: c} }
	tests := []struct {
		err  error
		want int
	}{
		{problem.BadRequest("start must be earlier than end"), 400},
		{problem.NotFound("/x"), 404},
		{problem.MethodNotAllowed("POST", "/x", nil), 405},
		{problem.NotAcceptable("text/html", []string{"application/json"}), 406},
		{problem.NotAcceptableCoding([]string{"identity;q=0"}, []string{"identity"}), 406},
		{problem.Conflict("somebody else has it"), 409},
		{problem.UnsupportedMediaType("text/plain", "application/json"), 415},
		{problem.Parameters(problem.Missing("start")), 422},
		{problem.Unavailable(errors.New("no")), 503},
		{problem.SourceUnavailable(errors.New("no")), 503},
		{errors.New("who knows"), 500},
		{pgx.ErrNoRows, 500},
		{code("42P01"), 503},
		{code("22012"), 500},
		{code(""), 500},
		{code("57P01"), 503},
		{code("57P02"), 503},
		{code("57P03"), 503},
		{code("57014"), 503},
		{code("53300"), 503},
		{code("08006"), 503},
		{code("55P03"), 503},
		{code("40001"), 503},
		{code("25006"), 503},
		{code("3D000"), 503},
		{code("28P01"), 500},
		{code("22021"), 422},
		{&pgconn.ConnectError{}, 503},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, 503},
		{io.ErrUnexpectedEOF, 503},
		{net.ErrClosed, 503},
		{context.DeadlineExceeded, 503},
		{puddle.ErrClosedPool, 503},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("read samples: %w", tt.err)} {
			if got := apitest.Status(err); got != tt.want {
				t.Errorf("Status(%v) = %d, want %d", err, got, tt.want)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		want   string
		header http.Header
	}{
		{
			"contradiction", problem.BadRequest("start must be earlier than end"),
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"start must be earlier than end","instance":"/data"}`,
			nil,
		},
		{
			"parameters", problem.Parameters(problem.Missing("start"), problem.Invalid("end", "x", "is not a timestamp")),
			`{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"start is required; end \"x\" is not a timestamp","instance":"/data",` +
				`"errors":[{"parameter":"start","detail":"is required"},{"parameter":"end","value":"x","detail":"is not a timestamp"}]}`,
			nil,
		},
		{
			"unknown", fmt.Errorf("open /etc/secret: %w", errors.New("denied")),
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the server failed to answer; its log has the cause under the request's id","instance":"/data"}`,
			nil,
		},
		{
			"away", &pgconn.PgError{Code: "57P03", Message: "the database system is starting up"},
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the database is starting or stopping; try again shortly","instance":"/data"}`,
			http.Header{"Retry-After": {"2"}},
		},
		{
			"outdated", &pgconn.PgError{Code: "42P01", Message: `relation "data" does not exist`},
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the database lacks a table, a column or another object that this version uses; ` +
				"`delfos schema apply` brings the database to this version" + `","instance":"/data"}`,
			http.Header{"Retry-After": {"10"}},
		},
		{
			"to be mended", &pgconn.PgError{Code: "XX001", Message: "invalid page in block 7"},
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the database says that its data is damaged; ` +
				`look at the database server's log and restore what is damaged","instance":"/data"}`,
			nil,
		},
		{
			"bytes", &pgconn.PgError{Code: "22021", Message: "invalid byte sequence"},
			`{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"a text has bytes that the database can't hold; send UTF-8 without zero bytes","instance":"/data"}`,
			nil,
		},
		{
			"acceptable", problem.NotAcceptable("text/html", []string{"application/json", "text/csv"}),
			`{"type":"about:blank","title":"Not Acceptable","status":406,"detail":"Accept: text/html can't be had here; on offer is application/json, text/csv","instance":"/data"}`,
			http.Header{"Vary": {"Accept"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			w.Header().Set("Trailer", "Delfos-Rows")
			problem.Write(w, httptest.NewRequest(http.MethodGet, "/data?x=1", nil), tt.err)
			if diff := cmp.Diff(tt.want+"\n", w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if !strings.Contains(tt.want, fmt.Sprintf(`"status":%d,`, w.Code)) || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Trailer") != "" {
				t.Errorf("%d, %v", w.Code, w.Header())
			}
			for name := range tt.header {
				if got, want := w.Header().Get(name), tt.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	problem.Routes(r)
	nothing := func(http.ResponseWriter, *http.Request) {}
	r.Get("/things/{id}", nothing)
	r.Group(func(r chi.Router) { r.Post("/runs", nothing) })
	for target, want := range map[string]struct {
		status int
		allow  string
	}{
		"POST /things/1": {405, "GET, HEAD"},
		"GET /runs":      {405, "POST"},
		"GET /nowhere":   {404, ""},
		"BREW /nowhere":  {404, ""}, // a method that the router has never heard of
		"BREW /runs":     {405, "POST"},
		"POST /runs":     {200, ""},
	} {
		var method, path string
		if _, err := fmt.Sscan(target, &method, &path); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != want.status || w.Header().Get("Allow") != want.allow {
			t.Errorf("%s: %d, Allow %q; want %+v", target, w.Code, w.Header().Get("Allow"), want)
		}
	}
}
