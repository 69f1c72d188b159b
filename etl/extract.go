package etl

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/timestamp"
)

const (
	// DefaultGroup is how many turbines one request asks for. A group is
	// verified by its trailers before any of it is decoded, so it bounds the
	// memory too: 32 turbines' day is 1.7 MB of Arrow.
	DefaultGroup = 32
	// DefaultLate is as long as stragglers among a farm's readings usually take.
	DefaultLate = 7 * 24 * time.Hour
	// maxAnswer is how many bytes one answer may have: 32 turbines' day at ten
	// samples a second. A longer one is asked for in parts.
	maxAnswer = 1 << 30
	// sampleBytes is what a sample takes in Arrow, with some room.
	sampleBytes = 40
	// keptBody is how large an answer's memory may be to be kept for another,
	// and keptBodies how many are kept.
	keptBody, keptBodies = 8 << 20, 4
	// stallTimeout ends a request whose answer does not arrive or stops to.
	stallTimeout = time.Minute
	// hopeless is how many requests in a row may fail for good before a day is
	// given up, for it is no matter of single turbines then. It is reached when
	// every second of 32 turbines is broken, and evenly spread.
	hopeless = 32
)

// source reads from the source API.
type source struct {
	client sourceapi.ClientInterface
	guard  *stallGuard
	retry  Retry
	group  int
	rules  check.Rules        // of the checks that are made in passing
	late   time.Duration      // see Config
	bodies chan *bytes.Buffer // to be taken; no pool, which each garbage collection empties
	log    *slog.Logger
}

func newSource(c Config) (*source, *http.Transport, error) {
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		IdleConnTimeout: 30 * time.Second,
		// The digest of an answer is over the bytes as sent.
		DisableCompression: true,
	}
	guard := &stallGuard{transport, stallTimeout}
	client, err := sourceapi.NewClient(c.SourceURL, sourceapi.WithHTTPClient(apiclient.New(guard, 0)))
	if err != nil {
		return nil, nil, fmt.Errorf("source API %s: %w", c.SourceURL, err)
	}
	return &source{client: client, guard: guard, retry: c.Retry, group: c.Group, late: c.Late, bodies: make(chan *bytes.Buffer, keptBodies), log: c.Log}, transport, nil
}

// series is one turbine's windows of a day, in order of time.
type series struct {
	turbine int32
	windows []window.Window
}

// group is what became of a group of turbines. Those of read whose samples are
// none have no series, nor anything that was checked.
type group struct {
	read    []int32
	series  []series
	checked []check.Series
	samples int64
	digest  int64 // of the samples, as GET /data/digest has it
	broken  []BrokenTurbine
	memory  []*window.Aggregator // of the windows; free gives it back
}

func (g *group) add(part group) {
	g.read = append(g.read, part.read...)
	g.series = append(g.series, part.series...)
	g.checked = append(g.checked, part.checked...)
	g.memory = append(g.memory, part.memory...)
	g.samples += part.samples
	g.digest ^= part.digest
}

// sort restores the order of data's key after parts came as they could be had.
func (g *group) sort() {
	slices.Sort(g.read)
	slices.SortFunc(g.series, func(a, b series) int { return cmp.Compare(a.turbine, b.turbine) })
	slices.SortFunc(g.checked, func(a, b check.Series) int { return cmp.Compare(a.Turbine, b.Turbine) })
	slices.SortFunc(g.broken, func(a, b BrokenTurbine) int { return cmp.Compare(a.ID, b.ID) })
}

// turbines lists the ids of the source's turbines, ascending.
func (s *source) turbines(ctx context.Context) ([]int32, error) {
	ids, err := try(ctx, s.retry, s.log, func() ([]int32, error) {
		response, err := s.client.ListTurbines(ctx, nil)
		if err != nil {
			return nil, away(ctx, err)
		}
		defer func() { _ = response.Body.Close() }()
		turbines, err := s.listed(response)
		if err != nil {
			return nil, err
		}
		ids := make([]int32, len(turbines))
		for i, turbine := range turbines {
			ids[i] = turbine.Id
		}
		slices.Sort(ids)
		return slices.Compact(ids), nil
	})
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	return ids, nil
}

// listed reads an answer of GET /turbines.
func (s *source) listed(response *http.Response) (turbines []sourceapi.Turbine, err error) {
	if err := s.expect(response, "application/json"); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	case !json.Valid(body): // cut off, where a body ends with its connection
		return nil, fmt.Errorf("%w: the list of turbines is not JSON", errBroken)
	}
	return turbines, apiclient.Source().Decode(response, body, &turbines)
}

// extract reads the day of some turbines, in ascending order, and hands them
// on group by group. An error is of the source as a whole, or of emit.
func (s *source) extract(ctx context.Context, day time.Time, turbines []int32, emit func(group) error) error {
	failures := 0
	for part := range slices.Chunk(turbines, s.group) {
		g, err := s.ask(ctx, day, part, &failures)
		if err != nil {
			return err
		}
		if err := emit(g); err != nil {
			return err
		}
	}
	return nil
}

// ask reads a group, with retries. When it can't be had it is halved until the
// turbines that break it are known, the larger parts first. failures counts the
// requests that failed since one succeeded.
func (s *source) ask(ctx context.Context, day time.Time, turbines []int32, failures *int) (group, error) {
	var whole group
	retry := s.retry
	for parts := [][]int32{turbines}; len(parts) > 0; parts = parts[1:] {
		part := parts[0]
		g, err := try(ctx, retry, s.log, func() (group, error) { return s.read(ctx, day, part) })
		retry = s.retry.again()
		if err == nil {
			*failures = 0
			whole.add(g)
			continue
		}
		if *failures++; *failures == hopeless {
			err = fmt.Errorf("%d requests in a row failed, the last with: %w", hopeless, err)
		}
		var status *statusError
		var untold *untoldError
		var foreign *apiclient.Error
		switch {
		case errors.As(err, &untold) && len(part) > 1:
			// A server that is asked over HTTP/1.0 tells of short answers alone. The
			// first turbine shows whether this is such a one.
			parts = append(parts, part[:1])
			parts = slices.AppendSeq(parts, slices.Chunk(part[1:], len(part)/2))
		case errors.As(err, &foreign):
			return group{}, fmt.Errorf("extract %s: %w", span(part), err)
		case *failures == hopeless, ctx.Err() != nil, errors.Is(err, ErrSourceAway),
			errors.As(err, &status) && status.status < http.StatusInternalServerError:
			return group{}, fmt.Errorf("extract %s: %w", span(part), err)
		case len(part) == 1:
			whole.broken = append(whole.broken, BrokenTurbine{part[0], err})
		default:
			half := len(part) / 2
			parts = append(parts, part[:half], part[half:])
		}
	}
	whole.sort()
	return whole, nil
}

// span names turbines in ascending order by the first and the last.
func span(turbines []int32) string {
	first, last := turbines[0], turbines[len(turbines)-1]
	if first == last {
		return fmt.Sprintf("turbine %d", first)
	}
	return fmt.Sprintf("turbines %d to %d", first, last)
}

// read asks once. It believes an answer only when rows and digest agree with
// the trailers that close it.
func (s *source) read(ctx context.Context, day time.Time, turbines []int32) (group, error) {
	first, last := day, day.AddDate(0, 0, 1).Add(-time.Microsecond)
	selectors := make([]sourceapi.TurbineSelector, len(turbines))
	for i, id := range turbines {
		selectors[i] = strconv.Itoa(int(id))
	}
	response, err := s.client.GetData(ctx, &sourceapi.GetDataParams{
		Start: timestamp.New(first), End: timestamp.New(last), Turbines: &selectors,
	}, identity(arrowStream+", application/json;q=0.1"))
	if err != nil {
		return group{}, away(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := s.expect(response, arrowStream, "application/json"); err != nil {
		return group{}, err
	}

	body := s.takeBody()
	defer s.giveBody(body) // decoded, nothing refers to it
	body.Grow(len(turbines) * samplesPerDay * sampleBytes)
	if err := whole(response, body); err != nil {
		return group{}, err
	}
	mediaType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	g, err := decode(bytes.NewReader(body.Bytes()), mediaType, turbines, first, last, s.rules)
	if err != nil {
		return group{}, err
	}
	if rows := apiclient.Header(response, "Delfos-Rows"); rows != strconv.FormatInt(g.samples, 10) {
		return group{}, fmt.Errorf("%w: %d rows, Delfos-Rows is %q", errBroken, g.samples, rows)
	}
	return g, nil
}

// takeBody returns memory for an answer.
func (s *source) takeBody() *bytes.Buffer {
	select {
	case body := <-s.bodies:
		body.Reset()
		return body
	default:
		return new(bytes.Buffer)
	}
}

// giveBody keeps the memory of an answer for another, unless it is uncommonly
// large.
func (s *source) giveBody(body *bytes.Buffer) {
	if body.Cap() > keptBody {
		return
	}
	select {
	case s.bodies <- body:
	default:
	}
}

// identity asks for media types, uncompressed: the digest of an answer is over
// the bytes as sent.
func identity(accept string) sourceapi.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Encoding", "identity")
		return nil
	}
}

// whole reads the body of an answer into body, and believes it when its digest is the one
// that the trailer has. It is not decoded before that: Arrow's reader takes the
// lengths that it finds on trust, and a single bit could ask for a terabyte.
func whole(response *http.Response, body *bytes.Buffer) error {
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(body, hash), io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if n > maxAnswer {
		return fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	}
	return verify(response, hash)
}

// verify holds the SHA-256 of a body that was read to its end against the
// trailer, or over HTTP/1.0 the header. An *untoldError says that there is none.
func verify(response *http.Response, hash hash.Hash) error {
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(hash.Sum(nil)) + ":"
	switch want := apiclient.Header(response, "Content-Digest"); want {
	case digest:
		return nil
	case "":
		return &untoldError{apiclient.Source().NoTrailers(response)}
	default:
		return fmt.Errorf("%w: its digest is %s, Content-Digest is %q", errBroken, digest, want)
	}
}

// expect takes an answer that the contract promises; any other is an error.
func (s *source) expect(response *http.Response, media ...string) error {
	if code := response.StatusCode; code/100 != 2 && code/100 != 3 {
		return s.refusal(response)
	}
	return apiclient.Source().Expect(response, media...)
}

// refusal turns an error of the API's, or of what stands before it, into one with
// its detail.
func (s *source) refusal(response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return &statusError{
		status: response.StatusCode,
		detail: apiclient.Detail(response, body),
		after:  retryAfter(response.Header, time.Now(), s.retry.Obey),
	}
}

// away marks an error of the connection, unless the caller gave up.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%w: %w%s", ErrSourceAway, err, apiclient.Through(asked.URL))
	}
	return fmt.Errorf("%w: %w", ErrSourceAway, err)
}
