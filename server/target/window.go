package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

func (s *server) GetWindows(ctx context.Context, request targetserver.GetWindowsRequestObject) (targetserver.GetWindowsResponseObject, error) {
	p := request.Params
	asked, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	openOA := param.Or(p.Naming, targetapi.Delfos) == targetapi.Openoa
	if openOA {
		if faults := besideOpenOA(p); len(faults) > 0 {
			return nil, problem.Parameters(faults...)
		}
	}
	r := httpserve.RequestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), param.Or(p.Format, ""), stream.Formats())
	if err != nil {
		return nil, err
	}
	answer := windows{
		s: s, r: r, openOA: openOA, span: asked, step: param.Or(p.Step, targetapi.StepWindow), ends: param.Or(p.Label, targetapi.WindowLabelStart) == targetapi.WindowLabelEnd,
		signals: p.Signals, format: format, limit: param.Or(p.Limit, 0), ifNoneMatch: param.Or(p.IfNoneMatch, ""),
	}
	if answer.zone, err = time.LoadLocation(param.Or(p.Tz, "")); err != nil {
		return nil, fmt.Errorf("load the time zone: %w", err) // it was checked: a fault of ours
	}
	switch {
	case openOA:
		answer.shape, answer.asked = openOAShape, "openoa"
	case param.Or(p.Wide, false):
		counts := answer.step == targetapi.StepWindow
		answer.asked, answer.shape = "wide", func(signals []targetdb.Signal, wanted *[]targetapi.SignalName, _ intervals) shape {
			return wideShape(signals, wanted, counts)
		}
	default:
		answer.shape, answer.asked = longShape, "long"
	}
	if p.Signals != nil {
		answer.asked += " " + strings.Join(slices.Compact(slices.Sorted(slices.Values(*p.Signals))), ",")
	}
	if answer.step != targetapi.StepWindow {
		answer.asked += fmt.Sprintf(" %s %s", answer.step, answer.zone)
	}
	answer.after, err = param.ParseCursor(p.Cursor, asked, answer.asked)
	return targetserver.GetWindows200Response(answer.answer), err
}

// besideOpenOA are the faults of parameters that contradict OpenOA's naming,
// which says which columns there are.
func besideOpenOA(p targetapi.GetWindowsParams) (faults []problem.Fault) {
	if p.Signals != nil {
		faults = append(faults, problem.Invalid("signals", strings.Join(*p.Signals, ","), "can't be chosen with naming=openoa, which has columns of its own"))
	}
	if !param.Or(p.Wide, true) {
		faults = append(faults, problem.Invalid("wide", "false", "can't be with naming=openoa, which is a wide table"))
	}
	return faults
}

func stop(span param.Span) time.Time { return span.End.Add(time.Microsecond) }

// windows is the answer of getWindows; the generated one would collect every row
// first.
type windows struct {
	s           *server
	r           *http.Request
	span        param.Span
	signals     *[]targetapi.SignalName // nil: all of them
	openOA      bool
	shape       func(signals []targetdb.Signal, wanted *[]targetapi.SignalName, each intervals) shape
	asked       string // which rows there are, beside the span
	step        targetapi.Step
	zone        *time.Location // of its periods
	ends        bool           // labels are the ends of windows or periods
	after       *param.Key     // the answer goes on behind it; nil: from the start
	limit       int32          // rows at most; 0: all of them
	format      stream.Format
	ifNoneMatch string
}

func (a windows) answer(w http.ResponseWriter) error {
	kind := sessions.Short
	if a.limit == 0 && a.span.Long() {
		kind = sessions.Long
	}
	return a.s.sessions.Answer(a.r.Context(), kind, func(outgrown func() error) error {
		return a.write(w, outgrown)
	})
}

// write sends what the ledger says, signals and values of one snapshot.
func (a windows) write(w http.ResponseWriter, outgrown func() error) error {
	ctx := a.r.Context()
	snapshot, err := a.s.sessions.Begin(ctx)
	if err != nil {
		return fmt.Errorf("read windows: %w", err)
	}
	defer snapshot.Close()
	loaded, err := targetdb.New(snapshot).ReadLoaded(ctx, targetdb.ReadLoadedParams{FirstDay: a.span.Start, LastDay: a.span.End})
	if err != nil {
		return fmt.Errorf("read what is loaded: %w", err)
	}
	signals, err := listSignals(ctx, targetdb.New(snapshot))
	if err != nil {
		return err
	}
	var each intervals
	if a.openOA {
		if each, err = readIntervals(ctx, snapshot); err != nil {
			return err
		}
	}
	w.Header().Set("Delfos-Loaded-Until", timestamp.New(loaded.Until).String())
	tag := a.tag(signals, each, loaded.Digest)
	etag := stream.ETag(tag, a.format, stream.NegotiateCoding(a.r.Header.Values("Accept-Encoding"), a.format))
	if stream.Matches(a.ifNoneMatch, etag) {
		stream.NotModified(w, etag)
		return nil
	}
	var periods *rollup
	if a.step != targetapi.StepWindow {
		periods, each = &rollup{step: a.step, zone: a.zone, each: each}, nil
	}
	shape := a.shape(signals, a.signals, each)
	reads := shape.signals
	if periods != nil {
		reads = periods.takes(signals, shape.signals)
	}
	page := &windowPage{windows: a, keyed: shape.keyed}
	response := stream.Response{
		Format:    a.format,
		Columns:   shape.columns,
		Filename:  a.span.Filename("windows"),
		Buffered:  a.limit > 0,
		Tag:       func() string { return tag },
		Tagged:    true,
		LinkAfter: page.link,
		Outgrown:  outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			// What follows the last row may wait for the client.
			defer snapshot.Close()
			page.yield = yield
			var rows rows = &labelled{windows: a, keyed: shape.keyed, start: math.MinInt64, rows: shape.begin(page.take)}
			if periods != nil {
				periods.rows, rows = rows, periods
			}
			err := a.read(ctx, snapshot, reads, rows.value)
			if err == nil {
				err = rows.end()
			}
			if errors.Is(err, errPageFull) {
				return nil
			}
			return err
		},
	}
	return response.Write(w, a.r)
}

// readIntervals reads the intervals of all turbines.
func readIntervals(ctx context.Context, db targetdb.DBTX) (intervals, error) {
	turbines, err := targetdb.New(db).ListTurbines(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	each := make(intervals, len(turbines))
	for _, t := range turbines {
		each[t.ID] = t.SampleInterval
	}
	return each, nil
}

// windowTagVersion grows when the same values come out as other bytes than before.
const windowTagVersion = 2

func (a windows) tag(signals []targetdb.Signal, each intervals, digest int64) string {
	asked := fmt.Sprint(windowTagVersion, digest, signals, each, a.span.Start.UnixMicro(), a.span.End.UnixMicro(), a.span.Turbines, a.asked, a.ends, a.after, a.limit)
	sum := sha256.Sum256([]byte(asked))
	return hex.EncodeToString(sum[:8])
}

// windowPage hands rows on, up to the limit, and knows where it stopped.
type windowPage struct {
	windows

	keyed bool // by signal
	yield func([]stream.Value) error
	rows  int32
	last  param.Key
	more  bool // rows follow
}

// errPageFull ends the reading.
var errPageFull = errors.New("the page has its rows")

func (p *windowPage) take(row []stream.Value) error {
	if p.limit > 0 && p.rows == p.limit {
		p.more = true
		return errPageFull
	}
	p.rows++
	p.last = param.Key{Turbine: row[1].Int32(), Micros: p.key(p.start(row[0].Timestamp()))}
	if p.keyed {
		p.last.Signal = row[2].Int32()
	}
	return p.yield(row)
}

// link is the value of Link: the request's own address with another cursor, "" for
// the last page.
func (p *windowPage) link() string {
	if !p.more {
		return ""
	}
	values := p.r.URL.Query()
	values.Set("cursor", p.last.Cursor(p.span, p.asked))
	return httpserve.Link(p.r, values, "next")
}

// read yields the values of the span, by turbine, time and signal. They are of one
// snapshot: a day that is loaded meanwhile is there whole or not at all.
func (a windows) read(ctx context.Context, snapshot pgx.Tx, signals []int32, yield func(value) error) error {
	if len(signals) == 0 {
		return nil
	}
	// A page is full with the first chunk, about.
	r := &windowReader{db: targetdb.New(snapshot), span: a.span, signals: signals, yield: yield, most: chunkValues, ahead: a.limit == 0}
	if a.limit > 0 {
		start, end := period(a.step, a.span.Start.In(a.zone))
		r.most = min(r.most, (int(a.limit)+1)*len(signals)*int(end.Sub(start)/window.Width+1))
	}
	if err := r.read(ctx, param.Or(a.after, param.Key{})); err != nil {
		return fmt.Errorf("read windows: %w", err)
	}
	return nil
}

// key is the time by which a cursor knows a period that starts at an instant: a cursor
// lies in its span.
func (a windows) key(start int64) int64 { return max(start, a.span.Start.UnixMicro()) }

// start is when the period of a label starts.
func (a windows) start(label int64) int64 {
	if !a.ends {
		return label
	}
	start, _ := period(a.step, time.UnixMicro(label-1).In(a.zone))
	return start.UnixMicro()
}

// labelled passes on values with the labels of their periods, but those that were sent
// before the cursor.
type labelled struct {
	windows
	rows

	keyed        bool         // by signal
	start, label pgrow.Micros // of the period before
}

func (l *labelled) value(v value) error {
	if k := l.after; k != nil && v.TurbineID == k.Turbine && l.key(int64(v.Timestamp)) == k.Micros && (!l.keyed || v.SignalID <= k.Signal) {
		return nil
	}
	if l.ends {
		if v.Timestamp != l.start {
			_, end := period(l.step, v.Timestamp.Time().In(l.zone))
			l.start, l.label = v.Timestamp, pgrow.Micros(end.UnixMicro())
		}
		v.Timestamp = l.label
	}
	return l.rows.value(v)
}
