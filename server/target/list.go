package target

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// list is a 200 whose body is an object with one array, {"name":[…]}. Its items
// are sent as they come: a year of them is no more to hold than a day. It closes
// with the trailers of package stream.
type list struct {
	sessions *sessions.Sessions
	r        *http.Request
	name     string
	link     *string // the header Link, if any
	items    func(yield func(item any) error) error
}

func (l list) write(w http.ResponseWriter) error {
	return l.sessions.Answer(l.r.Context(), sessions.Long, func(outgrown func() error) error {
		return l.attempt(w, outgrown)
	})
}

func (l list) attempt(w http.ResponseWriter, outgrown func() error) error {
	if l.link != nil {
		w.Header().Set("Link", *l.link)
	}
	encoder := &listEncoder{name: l.name}
	format := stream.Formats()[0]
	format.New = func([]stream.Column) stream.Encoder { return encoder }
	response := stream.Response{
		Format:   format,
		Outgrown: outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			return l.items(func(item any) error {
				var err error
				if encoder.item, err = json.Marshal(item); err != nil {
					return fmt.Errorf("write one of %s: %w", l.name, err)
				}
				return yield(nil)
			})
		},
	}
	return response.Write(w, l.r)
}

// listEncoder writes item each time that its turn comes.
type listEncoder struct {
	name  string
	item  []byte
	begun bool
}

// Begin implements stream.Encoder.
func (e *listEncoder) Begin(buf *stream.Buffer) error {
	buf.B = fmt.Appendf(buf.B, "{%q:[", e.name)
	return nil
}

// Row implements stream.Encoder.
func (e *listEncoder) Row(buf *stream.Buffer, _ []stream.Value) error {
	if e.begun {
		buf.B = append(buf.B, ",\n"...)
	}
	e.begun = true
	buf.B = append(buf.B, e.item...)
	return nil
}

// End implements stream.Encoder.
func (e *listEncoder) End(buf *stream.Buffer) error {
	buf.B = append(buf.B, "]}\n"...)
	return nil
}
