package pgcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

var errEnded = errors.New("the server ended the copy")

// From runs sql, a COPY … FROM STDIN (FORMAT binary), with the rows that write
// appends, and returns how many the server took. An error of write ends the
// COPY and is returned as it is; the transaction around it is then aborted.
// From waits for write: one that itself waits has to look at Writer.Done.
func From(ctx context.Context, conn *pgconn.PgConn, sql string, write func(*Writer) error) (int64, error) {
	p := &pipe{chunks: make(chan []byte), taken: make(chan int), done: make(chan struct{}), tick: time.NewTicker(look)}
	defer p.tick.Stop()
	written := make(chan error, 1)
	go func() {
		w := NewWriter(p)
		w.done = p.done
		err := write(w)
		if err == nil {
			err = w.Close()
		}
		p.end(err)
		written <- err
	}()
	tag, err := conn.CopyFrom(ctx, p, sql)
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

// look is how often a Read that waits for bytes returns without any.
const look = 100 * time.Millisecond

// pipe is an io.Pipe whose Read does not wait for ever: pgx finds out that the
// server has ended a COPY, but then waits for the Read that is under way.
type pipe struct {
	chunks chan []byte
	taken  chan int // how many bytes of the chunk were read
	done   chan struct{}
	tick   *time.Ticker
	err    error // set before chunks is closed
}

// end tells the reader that nothing more comes, or why not.
func (p *pipe) end(err error) {
	p.err = err
	close(p.chunks)
}

// Write implements io.Writer. It returns when b is not looked at any more.
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
