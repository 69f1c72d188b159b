package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/pgstream"
	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/stream"
)

// firstTurbine is the one that is meant without a selector: the replaced
// system knew no other.
const firstTurbine = 1

// Places in a row of sourcedb.ReadSamples; variables follow in the order of
// signal.Variables.
const (
	turbineField = iota
	timestampField
	firstVariableField
)

// GetData implements sourceapi.StrictServerInterface: it checks what the
// parameters say together, and hands on a response that streams.
func (s *Server) GetData(ctx context.Context, request sourceapi.GetDataRequestObject) (sourceapi.GetDataResponseObject, error) {
	p := request.Params
	q := query{start: p.Start.Time(), stop: p.End.Time()}
	if !q.start.Before(q.stop) {
		return nil, problem.BadRequest("start must be earlier than end")
	}
	if p.Turbines != nil {
		set, err := selector.Parse(strings.Join(*p.Turbines, ","))
		if err != nil {
			return nil, err // each item was checked: a fault of ours
		}
		q.turbines = &set
	}
	r := requestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), stream.Formats())
	if err != nil {
		return nil, err
	}
	columns, fields := layout(p.Variables, q.turbines != nil)
	return dataResponse{r, stream.Response{
		Format:  format,
		Columns: columns,
		Rows: func(yield func([]stream.Value) error) error {
			return s.readSamples(ctx, q, columns, fields, yield)
		},
	}}, nil
}

// dataResponse is the streamed 200 of getData; the generated one would collect
// every row first.
type dataResponse struct {
	r      *http.Request
	stream stream.Response
}

// VisitGetDataResponse implements sourceapi.GetDataResponseObject.
func (d dataResponse) VisitGetDataResponse(w http.ResponseWriter) error {
	return d.stream.Write(w, d.r)
}

// query is what /data was asked for; turbines is nil when it was not said.
type query struct {
	start, stop time.Time
	turbines    *selector.Set
}

// layout returns the columns of the answer, in the contract's order whatever
// the order asked for, and the place of each in a row of ReadSamples.
func layout(variables *[]sourceapi.Variable, turbines bool) ([]stream.Column, []int) {
	columns := []stream.Column{{Name: "timestamp", Kind: stream.Timestamp}}
	fields := []int{timestampField}
	if turbines {
		columns = append(columns, stream.Column{Name: "turbine_id", Kind: stream.Int32})
		fields = append(fields, turbineField)
	}
	for i, name := range signal.Variables {
		if variables == nil || slices.Contains(*variables, sourceapi.Variable(name)) {
			columns = append(columns, stream.Column{Name: name, Kind: stream.Float64})
			fields = append(fields, firstVariableField+i)
		}
	}
	return columns, fields
}

// readSamples yields the rows of q as they come from the database.
func (s *Server) readSamples(ctx context.Context, q query, columns []stream.Column, fields []int, yield func([]stream.Value) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	ids, err := resolve(ctx, conn, q.turbines)
	if err != nil || len(ids) == 0 {
		return err
	}
	row := make([]stream.Value, len(columns))
	return pgstream.Read(ctx, conn, "read samples", sourcedb.ReadSamples, []any{ids, q.start, q.stop},
		func(raw [][]byte) error {
			for i, field := range fields {
				v, err := stream.OfPostgres(columns[i].Kind, raw[field])
				if err != nil {
					return err
				}
				row[i] = v
			}
			return yield(row)
		})
}

// resolve returns the ids of the turbines of the set that there are, sorted:
// a range is never spelled out beyond them.
func resolve(ctx context.Context, conn *pgxpool.Conn, set *selector.Set) ([]int32, error) {
	if set == nil {
		return []int32{firstTurbine}, nil
	}
	turbines, err := listTurbines(ctx, conn)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, 0, len(turbines))
	for _, t := range turbines {
		if set.Contains(t.ID) {
			ids = append(ids, t.ID)
		}
	}
	return ids, nil
}
