package source_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
	"github.com/delfos/delfos/server/stream"
)

// Every format and coding has a tag of its own, which holds until a sample
// changes; HEAD says what GET would.
func TestTagOfEachFormatAndCoding(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	form := regexp.MustCompile(`^"[0-9a-f]{16}-[a-z]+(-gzip|-zstd)?"$`)
	seen := map[string]string{}
	for _, f := range stream.Formats() {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			if f.Compressed && coding != "identity" {
				continue
			}
			path, accept := "/data?"+day+"&format="+f.Name, "Accept-Encoding: "+coding
			name := f.Name + ", " + coding
			get := b.Get(path, accept)
			tag := get.Header.Get("ETag")
			if get.Status != http.StatusOK || !form.MatchString(tag) {
				t.Errorf("%s: %d, ETag %q", name, get.Status, tag)
			}
			if other, ok := seen[tag]; ok {
				t.Errorf("%s has the tag of %s", name, other)
			}
			seen[tag] = name
			if again := b.Get(path, accept).Header.Get("ETag"); again != tag {
				t.Errorf("%s: asked again, ETag is %q, was %q", name, again, tag)
			}
			wantSameHead(t, b, path, get, accept)
			wantNotModified(t, b, path, get, "If-None-Match: "+tag, accept)
		}
	}
	// By Accept as by name.
	csv := b.Get("/data?"+day, "Accept: text/csv")
	if got := seen[csv.Header.Get("ETag")]; got != "csv, identity" {
		t.Errorf("by Accept the tag is that of %q", got)
	}
	// What the client holds in one form says nothing of another.
	a := b.Get("/data?"+day+"&format=json", "If-None-Match: "+csv.Header.Get("ETag"))
	if a.Status != http.StatusOK || a.Body == "" {
		t.Errorf("JSON by the tag of CSV: %d", a.Status)
	}
}

// wantSameHead checks HEAD against the headers of GET, but for those of a body.
func wantSameHead(t *testing.T, b *bundle, path string, get apitest.Answer, headers ...string) {
	t.Helper()
	head := b.Do(http.MethodHead, path, "", headers...)
	if head.Status != get.Status || head.Body != "" || len(head.Trailer) > 0 {
		t.Errorf("HEAD %s: %d, %q, trailers %v", path, head.Status, head.Body, head.Trailer)
	}
	of := func(a apitest.Answer) http.Header {
		h := a.Header.Clone()
		for _, name := range []string{"Date", "X-Request-Id", "Content-Length", "Trailer"} {
			h.Del(name)
		}
		if tag := a.Trailer.Get("ETag"); tag != "" {
			h.Set("ETag", tag)
		}
		return h
	}
	if diff := cmp.Diff(of(get), of(head)); diff != "" {
		t.Errorf("HEAD %s (-GET +HEAD):\n%s", path, diff)
	}
}

// wantNotModified checks that a 304 comes, with what a cache wants of it.
func wantNotModified(t *testing.T, b *bundle, path string, get apitest.Answer, headers ...string) {
	t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := b.Do(method, path, "", headers...)
		if a.Status != http.StatusNotModified || a.Body != "" || len(a.Trailer) > 0 {
			t.Errorf("%s %s, %s: %d %q, trailers %v, want 304", method, path, headers, a.Status, a.Body, a.Trailer)
		}
		tag := get.Header.Get("ETag") + get.Trailer.Get("ETag")
		for name, want := range map[string]string{
			"ETag": tag, "Vary": "Accept, Accept-Encoding", "Cache-Control": "no-cache",
			"Link": get.Header.Get("Link"), "Trailer": "", "Content-Type": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s %s: a 304 has %s: %q, want %q", method, path, name, got, want)
			}
		}
	}
}

// A tag is out of date as soon as any reading of the range changes, and true
// again once it is back.
func TestTagFollowsTheSamples(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	const path = "/data?" + day + "&turbines=1-2"
	const page = path + "&limit=3"
	first, firstPage := b.Get(path), b.Get(page)
	for _, elsewhere := range []string{
		"UPDATE data SET power = power",
		"UPDATE data SET power = 1 WHERE turbine_id = 5",
		"DELETE FROM data WHERE timestamp >= '2025-01-02Z'",
	} {
		b.exec(elsewhere)
		wantNotModified(t, b, path, first, "If-None-Match: "+first.Header.Get("ETag"))
		wantNotModified(t, b, page, firstPage, "If-None-Match: "+firstPage.Header.Get("ETag"))
	}
	const row = " WHERE turbine_id = 1 AND timestamp = '2025-01-01 00:01Z'"
	for _, change := range []struct{ name, do, undo string }{
		{"a reading", "UPDATE data SET power = power + 1e-9" + row, "UPDATE data SET power = 129.52" + row},
		{"a reading that is no more", "UPDATE data SET ambient_temperature = NULL" + row, "UPDATE data SET ambient_temperature = 21.78" + row},
		{"a reading that is new", "UPDATE data SET wind_speed = 0" + row, "UPDATE data SET wind_speed = NULL" + row},
		{
			"readings that change places", "UPDATE data SET power = ambient_temperature, ambient_temperature = power" + row,
			"UPDATE data SET power = ambient_temperature, ambient_temperature = power" + row,
		},
		{
			"a sample's time", "UPDATE data SET timestamp = timestamp + interval '1 us'" + row,
			"UPDATE data SET timestamp = '2025-01-01 00:01Z' WHERE timestamp = '2025-01-01 00:01:00.000001Z'",
		},
		{"a sample that is gone", "DELETE FROM data" + row, "INSERT INTO data VALUES (1, '2025-01-01 00:01Z', NULL, 129.52, 21.78)"},
		{
			"a sample that is new", "INSERT INTO data (turbine_id, timestamp) VALUES (1, '2025-01-01 00:00:30Z')",
			"DELETE FROM data WHERE timestamp = '2025-01-01 00:00:30Z'",
		},
		{
			"a sample of another turbine", "UPDATE data SET turbine_id = 2, timestamp = '2025-01-01 12:00Z'" + row,
			"UPDATE data SET turbine_id = 1, timestamp = '2025-01-01 00:01Z' WHERE timestamp = '2025-01-01 12:00Z'",
		},
	} {
		b.exec(change.do)
		for p, was := range map[string]apitest.Answer{path: first, page: firstPage} {
			a := b.Get(p, "If-None-Match: "+was.Header.Get("ETag"))
			if a.Status != http.StatusOK || a.Header.Get("ETag") == was.Header.Get("ETag") {
				t.Errorf("%s, %s: %d, ETag %s, was %s", change.name, p, a.Status, a.Header.Get("ETag"), was.Header.Get("ETag"))
			}
			wantSameHead(t, b, p, a)
			wantNotModified(t, b, p, a, "If-None-Match: "+a.Header.Get("ETag"))
		}
		b.exec(change.undo)
		wantNotModified(t, b, path, first, "If-None-Match: "+first.Header.Get("ETag"))
		wantNotModified(t, b, page, firstPage, "If-None-Match: "+firstPage.Header.Get("ETag"))
	}
	// A page changes when rows come to follow it.
	last := b.Get(path + "&limit=6")
	b.exec("INSERT INTO data VALUES (2, '2025-01-01 23:00Z', 1, 1, 1)")
	a := b.Get(path+"&limit=6", "If-None-Match: "+last.Header.Get("ETag"))
	if a.Status != http.StatusOK || a.Body != last.Body || last.Header.Get("Link") != "" || a.Header.Get("Link") == "" {
		t.Errorf("%d, Link %q, was %q", a.Status, a.Header.Get("Link"), last.Header.Get("Link"))
	}
}

// Other columns or turbines are another answer.
func TestTagsDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	seen := map[string]string{}
	for _, query := range []string{
		"", "&turbines=1", "&turbines=2", "&turbines=1-2", "&turbines=all", "&turbines=9",
		"&variables=power", "&variables=wind_speed", "&variables=power,wind_speed", "&turbines=1&variables=power",
		"&limit=2", "&limit=3", "&turbines=all&limit=3",
	} {
		tag := b.Get("/data?" + day + query).Header.Get("ETag")
		if other, ok := seen[tag]; ok || tag == "" {
			t.Errorf("%q and %q have the tag %s", query, other, tag)
		}
		seen[tag] = query
	}
	// The same in other words is the same.
	if tag := b.Get("/data?" + day + "&variables=wind_speed,power&limit=10").Header.Get("ETag"); seen[tag] != "&variables=power,wind_speed" {
		t.Errorf("in other words the tag is that of %q", seen[tag])
	}
}

func TestIfNoneMatchForms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	const path = "/data?" + day
	get := b.Get(path)
	tag := get.Header.Get("ETag")
	for _, headers := range [][]string{
		{"If-None-Match: " + tag},
		{"If-None-Match: W/" + tag},
		{"If-None-Match: *"},
		{`If-None-Match: "x", "a,b", ` + tag},
		{`If-None-Match: "x"`, "If-None-Match: W/" + tag},
	} {
		wantNotModified(t, b, path, get, headers...)
	}
	for _, headers := range [][]string{
		{`If-None-Match: "x"`},
		{"If-None-Match: "},
		{"If-None-Match: " + strings.Trim(tag, `"`)},
		{"If-None-Match: nonsense, %zz"},
		{`If-None-Match: "x"`, "If-None-Match: "},
		{"If-Match: *"},
	} {
		if a := b.Get(path, headers...); a.Status != http.StatusOK || a.Body != get.Body {
			t.Errorf("%s: %d %s", headers, a.Status, a.Body)
		}
	}
	// A request that is refused is refused whatever the client holds.
	apitest.WantProblem(t, b.Get("/data?"+day+"&format=xml", "If-None-Match: *"), http.StatusUnprocessableEntity)
	apitest.WantProblem(t, b.Get("/data?"+day, "If-None-Match: *", "Accept: text/html"), http.StatusNotAcceptable)
	// No sample at all is an answer too.
	const none = "/data?start=2020-01-01&end=2020-01-02&turbines=9"
	wantNotModified(t, b, none, b.Get(none), "If-None-Match: *")
	wantNotModified(t, b, none, b.Get(none), "If-None-Match: "+b.Get(none).Header.Get("ETag"))
}

// An answer of more than 256 KiB has its tag in a trailer.
func TestTagOfLongAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(5_000)
	for _, query := range []string{"&format=json", "&format=csv", "&format=arrow", "&format=json&variables=power"} {
		short := b.Get("/data?start=2025-01-01&end=2025-01-01T12:00:00" + query)
		if short.Header.Get("ETag") == "" || short.Trailer.Get("ETag") != "" {
			t.Errorf("%s: %d bytes have the header %q and the trailer %q",
				query, len(short.Body), short.Header.Get("ETag"), short.Trailer.Get("ETag"))
		}
		path := year + query
		long := b.Get(path)
		inHeader, inTrailer := long.Header.Get("ETag"), long.Trailer.Get("ETag")
		if (len(long.Body) <= 256<<10) != (inHeader != "") || (inHeader == "") == (inTrailer == "") {
			t.Errorf("%s: %d bytes have the header %q and the trailer %q", query, len(long.Body), inHeader, inTrailer)
		}
		wantNotModified(t, b, path, long, "If-None-Match: "+inHeader+inTrailer)
		wantSameHead(t, b, path, long)
	}
	long := b.Get(year)
	b.exec("UPDATE data SET power = 0.125 WHERE timestamp = '2025-01-03Z'")
	if a := b.Get(year, "If-None-Match: "+long.Trailer.Get("ETag")); a.Status != http.StatusOK || a.Trailer.Get("ETag") == long.Trailer.Get("ETag") {
		t.Errorf("after a change: %d, ETag %s, was %s", a.Status, a.Trailer.Get("ETag"), long.Trailer.Get("ETag"))
	}
	// A page of any length is gathered first.
	for _, page := range []string{year + "&limit=5000", year + "&limit=4999"} {
		a := b.Get(page)
		if a.Header.Get("ETag") == "" || a.Trailer.Get("ETag") != "" || (a.Header.Get("Link") != "") != strings.HasSuffix(page, "4999") {
			t.Errorf("%s: %d bytes have the headers %v and the trailers %v", page, len(a.Body), a.Header, a.Trailer)
		}
	}
}

// Nothing but the digest is asked of the database for HEAD and a 304, and the rows
// alone for all else, both after a look for the turbines and the form of timestamps.
func TestTagWithoutRows(t *testing.T) {
	t.Parallel()
	filled := setup(t)
	fixture(filled)
	b, queries := traced(t, filled.database)
	const (
		whole, page = "/data?" + day, "/data?" + day + "&limit=2"
		first       = "FirstTurbine"
		begin       = "begin isolation level repeatable read" + " read only"
	)
	tag, pageTag := b.Get(whole).Header.Get("ETag"), b.Get(page).Header.Get("ETag")
	for _, request := range []struct {
		method, path, tag string
		want              []string
	}{
		{http.MethodGet, whole, "", []string{first, "ReadSamples"}},
		{http.MethodGet, page, "", []string{first, "ReadSamplePage"}},
		{http.MethodGet, whole, tag, []string{first, "TagSamples"}},
		{http.MethodGet, page, pageTag, []string{first, "TagSamplePage"}},
		{http.MethodHead, whole, "", []string{first, "TagSamples"}},
		{http.MethodHead, whole, tag, []string{first, "TagSamples"}},
		{http.MethodHead, page, "", []string{first, "TagSamplePage"}},
		{http.MethodGet, whole, pageTag, []string{first, "TagSamples", first, "ReadSamples"}},
		{http.MethodGet, page, tag, []string{first, "TagSamplePage", first, "ReadSamplePage"}},
		{http.MethodHead, whole, pageTag, []string{first, "TagSamples"}},
		// What takes more than one statement with rows is read in one snapshot.
		{http.MethodGet, whole + "&turbines=2", "*", []string{begin, "ListTurbineIDs", "HasFractions", "TagSamples", "rollback"}},
		{http.MethodGet, whole + "&turbines=2", "", []string{begin, "ListTurbineIDs", "HasFractions", "ReadSamples", "rollback"}},
		{http.MethodGet, "/data/digest?" + day, "", []string{begin, "ListTurbineIDs", "HasFractions", "DigestSamples", "rollback"}},
		{http.MethodHead, "/data/digest?" + day, "", nil},
	} {
		queries.take()
		var headers []string
		if request.tag != "" {
			headers = append(headers, "If-None-Match: "+request.tag)
		}
		b.Do(request.method, request.path, "", headers...)
		if diff := cmp.Diff(request.want, queries.take()); diff != "" {
			t.Errorf("%s %s, If-None-Match: %s: queries (-want +got):\n%s", request.method, request.path, request.tag, diff)
		}
	}
}

// traced starts the API on a database, and notes what it asks of it.
func traced(t *testing.T, database string) (*bundle, *queryTracer) {
	t.Helper()
	queries := &queryTracer{}
	b := start(t, database, func(c *source.Config, _ *httpserve.Options) {
		config := c.Pool.Config()
		config.ConnConfig.Tracer = queries
		pool, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		c.Pool = pool
	})
	return b, queries
}

// queryTracer notes the names of the queries that are run.
type queryTracer struct {
	mu    sync.Mutex
	names []string
}

// TraceQueryStart implements pgx.QueryTracer.
func (q *queryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	name := data.SQL // of a transaction
	if words := strings.Fields(data.SQL); words[0] == "--" {
		name = words[2] // -- name: ReadSamples :many
	}
	q.names = append(q.names, name)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*queryTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// take returns the names since the last time.
func (q *queryTracer) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := q.names
	q.names = nil
	return names
}
