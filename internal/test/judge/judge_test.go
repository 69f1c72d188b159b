package judge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/problem"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// rapid has flags alone; who gives -rapid.seed or -rapid.checks is heard.
	for name, value := range map[string]string{"rapid.checks": "25", "rapid.nofailfile": "true", "rapid.shrinktime": "10s"} {
		given := false
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		if given {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	pgtest.Main(m)
}

// Every operation of both servers is asked with requests that its contract allows, and
// with such as it does not; every answer has to be one that the contract describes.
//
//nolint:tparallel // What writes comes after what reads, on the same databases.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	sourceURL, targetURL := serve(t)
	known, asked := map[string]bool{}, map[string]bool{}
	answered := map[string]bool{} // by what they ask for
	for name, server := range map[string]string{"source": sourceURL, "target": targetURL} {
		text := apitest.Client{TB: t, URL: server}.OK("/openapi.json").Body
		var d document
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		j := newJudge(t, server, text)
		for _, o := range d.operations() {
			t.Run(name+" "+o.OperationID, func(t *testing.T) {
				asked[o.OperationID] = true
				rapid.Check(t, func(rt *rapid.T) {
					if j.ask(rt, o, d.make(rt, o)) < http.StatusMultipleChoices {
						answered[o.OperationID] = true
					}
				})
			})
			known[o.OperationID] = true
		}
	}
	for id := range contract(t) {
		if !known[id] {
			t.Errorf("%s was not asked: neither server's contract has it", id)
		}
	}
	if len(answered) < len(asked)*2/3 { // those made at random can't reach each of them each time
		t.Errorf("%d of %d operations answered a request by what it asks for: the requests are too wrong", len(answered), len(asked))
	}
}

// judge asks a server, and knows its contract.
type judge struct {
	server   string
	client   *http.Client
	compiler *jsonschema.Compiler
}

func newJudge(t *testing.T, server, text string) *judge {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	return &judge{server, apitest.HTTPClient(t), c}
}

// ask sends a request and judges the answer, whose status it returns.
func (j *judge) ask(t *rapid.T, o operation, r request) int {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent, err := http.NewRequestWithContext(ctx, r.method, j.server+r.target, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range r.headers {
		name, value, _ := strings.Cut(header, ": ")
		sent.Header.Set(name, value)
	}
	response, err := j.client.Do(sent)
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	defer response.Body.Close()
	kind := response.Header.Get("Content-Type")
	media, _, _ := strings.Cut(kind, ";")
	described, listed := o.Responses[strconv.Itoa(response.StatusCode)]
	var body []byte
	if media != "text/event-stream" { // which has no end
		if body, err = io.ReadAll(response.Body); err != nil {
			t.Fatalf("%s: %s: read the body: %v", r, response.Status, err)
		}
	}
	fault := func(format string, args ...any) {
		t.Errorf("%s\nwas answered by %s %v %.500s\n%s", r, response.Status, response.Header, body, fmt.Sprintf(format, args...))
	}
	switch {
	case response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusServiceUnavailable:
		fault("a fault of the server")
	case !listed && !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusServiceUnavailable}, response.StatusCode):
		fault("the status is not one of the contract")
	case len(r.wrong) > 0 && response.StatusCode < http.StatusBadRequest:
		fault("the contract allows no such request")
	}
	for name := range described.Headers {
		if name == "X-Request-Id" && response.Header.Get(name) == "" {
			fault("the answer has no %s", name)
		}
	}
	switch {
	case response.StatusCode >= http.StatusBadRequest:
		if kind != problem.ContentType {
			fault("an error is of type %s", problem.ContentType)
		}
		j.validate("components/schemas/Problem", body, fault)
	case len(described.Content) == 0:
		if len(body) > 0 {
			fault("the contract has no body here")
		}
	case described.Content[media] == nil:
		fault("the contract has no %s here", media)
	case media == "application/json":
		j.validate(o.schemaOf(response.StatusCode), body, fault)
	}
	if _, streamed := described.Headers["Delfos-Rows"]; streamed {
		j.rows(o, response, media, body, fault)
	}
	return response.StatusCode
}

// validate holds JSON against the schema at a place of the contract.
func (j *judge) validate(place string, body []byte, fault func(string, ...any)) {
	of, err := j.compiler.Compile("openapi.json#/" + place)
	if err != nil {
		fault("%v", err)
		return
	}
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = of.Validate(got)
	}
	if err != nil {
		fault("the body is not what %s says: %v", place, err)
	}
}

// isArray reports whether the schema at a place of the contract is an array.
func (j *judge) isArray(place string) bool {
	of, err := j.compiler.Compile("openapi.json#/" + place)
	return err == nil && of.Types != nil && slices.Contains(of.Types.ToStrings(), "array")
}

// schemaOf is the place of the schema of a JSON answer.
func (o operation) schemaOf(status int) string {
	return fmt.Sprintf("paths/%s/%s/responses/%d/content/application~1json/schema", url.PathEscape(strings.ReplaceAll(o.path, "/", "~1")), strings.ToLower(o.method), status)
}

// rows reads a format by its own reader, and holds what it has against the trailers.
func (j *judge) rows(o operation, response *http.Response, media string, body []byte, fault func(string, ...any)) {
	closing := func(name string) string {
		if value := response.Trailer.Get(name); value != "" {
			return value
		}
		return response.Header.Get(name)
	}
	sum := sha256.Sum256(body)
	if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; closing("Content-Digest") != want {
		fault("Content-Digest is %q, want %q", closing("Content-Digest"), want)
	}
	rows, err := count(media, body)
	if err != nil {
		fault("%s can't be read: %v", media, err)
	}
	if got := closing("Delfos-Rows"); rows != nested && got != strconv.Itoa(rows) {
		fault("Delfos-Rows is %q, the body has %d", got, rows)
	}
	if media == "application/x-ndjson" && j.isArray(o.schemaOf(response.StatusCode)) { // its lines are the items
		lines := bytes.ReplaceAll(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"), []byte(","))
		j.validate(o.schemaOf(response.StatusCode), slices.Concat([]byte("["), lines, []byte("]")), fault)
	}
}

// nested says that rows lie at several depths of an object, which its schema describes.
const nested = -1

// count is the number of rows in a body.
func count(media string, body []byte) (rows int, err error) {
	switch media {
	case "application/json":
		if bytes.HasPrefix(body, []byte("{")) {
			return nested, nil
		}
		var all []json.RawMessage
		err = json.Unmarshal(body, &all)
		return len(all), err
	case "application/x-ndjson":
		return bytes.Count(body, []byte("\n")), nil
	case "text/csv":
		records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		return len(records) - 1, err
	case "application/vnd.apache.arrow.stream":
		reader, err := ipc.NewReader(bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		defer reader.Release()
		for reader.Next() {
			rows += int(reader.RecordBatch().NumRows())
		}
		return rows, reader.Err()
	case "application/vnd.apache.parquet":
		file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return 0, err
		}
		return int(file.NumRows()), nil
	}
	return 0, fmt.Errorf("no reader of %s", media)
}
