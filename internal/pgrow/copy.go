package pgrow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
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
