package pgrow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// size is how many bytes of a COPY are gathered before they are sent.
const size = 64 << 10

// The format is described in PostgreSQL's manual under COPY, Binary Format.
const (
	signature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	trailer   = "\xff\xff"
)

var (
	errEnded     = errors.New("the server ended the copy")
	errAbandoned = errors.New("the function that writes the rows of the copy did not return")
)

// Copy runs sql, a COPY … FROM STDIN (FORMAT binary), with the rows that write
// puts, and returns how many the server took. An error of write ends the COPY and
// is returned as it is; the transaction around it is then aborted. Copy waits for
// write, so a write that waits for something has to watch Copier.Done.
func Copy[R any](ctx context.Context, conn *pgx.Conn, sql string, encode func(*R, []byte) []byte, write func(*Copier[R]) error) (int64, error) {
	p := &pipe{chunks: make(chan []byte), taken: make(chan int), done: make(chan struct{}), tick: time.NewTicker(look)}
	defer p.tick.Stop()
	written := make(chan error, 1)
	go func() {
		err := errAbandoned
		defer func() { // also when write ends its goroutine, as a failing test does
			p.end(err)
			written <- err
		}()
		c := NewCopier(p, encode)
		c.done = p.done
		if err = write(c); err == nil {
			err = c.close()
		}
	}()
	tag, err := conn.PgConn().CopyFrom(ctx, p, sql)
	close(p.done)
	if werr := <-written; werr != nil && !errors.Is(werr, errEnded) {
		return 0, werr
	}
	switch {
	case err != nil && ctx.Err() != nil:
		// pgx may only say that the connection, which it closed for ctx, is closed.
		return 0, fmt.Errorf("copy: %w: %w", context.Cause(ctx), err)
	case err != nil:
		return 0, fmt.Errorf("copy: %w", err)
	}
	return tag.RowsAffected(), nil
}

// A Copier encodes the rows of a COPY. Its first error sticks.
type Copier[R any] struct {
	w      io.Writer
	encode func(*R, []byte) []byte
	buf    []byte
	rows   int64
	err    error
	done   <-chan struct{}
}

// NewCopier returns a Copier onto w, with the format's header in its buffer.
func NewCopier[R any](w io.Writer, encode func(*R, []byte) []byte) *Copier[R] {
	return &Copier[R]{w: w, encode: encode, buf: append(make([]byte, 0, size+1024), signature...)}
}

// Put adds a row. Its error may come from a row before, and ends the COPY.
func (c *Copier[R]) Put(row *R) error {
	if len(c.buf) >= size {
		c.flush()
	}
	c.rows++
	c.buf = c.encode(row, c.buf)
	return c.err
}

// Rows returns how many rows were put.
func (c *Copier[R]) Rows() int64 { return c.rows }

// Done is closed when the COPY has ended before its rows: nothing more needs to be put.
func (c *Copier[R]) Done() <-chan struct{} { return c.done }

// close ends the stream; without it PostgreSQL refuses the whole COPY.
func (c *Copier[R]) close() error {
	c.buf = append(c.buf, trailer...)
	c.flush()
	return c.err
}

func (c *Copier[R]) flush() {
	if c.err == nil {
		_, c.err = c.w.Write(c.buf)
	}
	c.buf = c.buf[:0]
}

// look is how often a Read that waits for bytes returns without any.
const look = 100 * time.Millisecond

// pipe is an io.Pipe whose Read does not wait forever: pgx waits for it when a COPY ends.
type pipe struct {
	chunks chan []byte
	taken  chan int // how many bytes of the chunk were read
	done   chan struct{}
	tick   *time.Ticker
	err    error // set before chunks is closed
}

func (p *pipe) end(err error) {
	p.err = err
	close(p.chunks)
}

// Write implements io.Writer. It returns when b is no longer used.
func (p *pipe) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		select {
		case p.chunks <- b[n:]:
			n += <-p.taken
		case <-p.done:
			return n, errEnded
		}
	}
	return len(b), nil
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	select {
	case chunk, ok := <-p.chunks:
		switch {
		case ok:
			n := copy(b, chunk)
			p.taken <- n
			return n, nil
		case p.err != nil:
			return 0, p.err
		}
		return 0, io.EOF
	case <-p.tick.C:
		return 0, nil
	case <-p.done:
		return 0, errEnded
	}
}

// Querier is a connection, a transaction or a pool of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Stream yields the rows of a query, of the given columns, as the server sends them, and nothing more
// after an error. decode reads a row's values, nil for NULL, and reports whether each that is not
// nullable is there. Leaving the loop ends the query on the server.
func Stream[R any](
	ctx context.Context, db Querier, name, sql string, args []any, columns []Column, decode func(*R, [][]byte) bool,
) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		// rows.Close alone would read all that is left; a cancelled context ends the query.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var row, zero R
		fail := func(err error) { yield(zero, fmt.Errorf("query %s: %w", name, err)) }
		rows, err := db.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
		if err != nil {
			fail(err)
			return
		}
		leave := func() { cancel(); rows.Close() }
		for n := 0; rows.Next(); n++ {
			if n == 0 {
				err = check(rows.FieldDescriptions(), columns)
			}
			raw := rows.RawValues()
			row = zero
			if err == nil && !decode(&row, raw) {
				err = missing(raw, columns)
			}
			if err != nil {
				leave()
				fail(fmt.Errorf("row %d: %w", n+1, err))
				return
			}
			if !yield(row, nil) {
				leave()
				return
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

// firstUserOID is the first OID of types that PostgreSQL does not bring along, such as enums.
const firstUserOID = 16384

func check(got []pgconn.FieldDescription, want []Column) error {
	if len(got) != len(want) {
		return fmt.Errorf("the database sends %d columns, %d are expected", len(got), len(want))
	}
	for i, c := range want {
		if !c.Kind.sentAs(got[i].DataTypeOID) || got[i].Format != pgx.BinaryFormatCode {
			return fmt.Errorf("column %s is sent as a type (OID %d, format %d) that is not the expected one", c.Name, got[i].DataTypeOID, got[i].Format)
		}
	}
	return nil
}

func (k Kind) sentAs(oid uint32) bool {
	switch k {
	case Int32:
		return oid == pgtype.Int4OID
	case Int64:
		return oid == pgtype.Int8OID
	case Float64:
		return oid == pgtype.Float8OID
	case Timestamp:
		return oid == pgtype.TimestamptzOID
	case Date:
		return oid == pgtype.DateOID
	case Text:
		return oid == pgtype.TextOID || oid == pgtype.VarcharOID || oid == pgtype.NameOID || oid >= firstUserOID
	default:
		return false
	}
}

func missing(raw [][]byte, columns []Column) error {
	for i, c := range columns {
		if raw[i] == nil && !c.Nullable {
			return fmt.Errorf("column %s is null, which it never may be", c.Name)
		}
	}
	return nil
}
