package csvimport

import (
	"context"
	"errors"
	"io"
)

// maxRecord bounds a record, in bytes: a quote that is not closed must not
// read the rest of a large file into memory.
const maxRecord = 1 << 20

var errLongRecord = errors.New("the record is longer than 1 MiB; is a quote not closed?")

// An input is a file's bytes on their way to the parser. It counts them, ends
// with ctx also while the reader below blocks (standard input can), and stops
// at limit.
type input struct {
	ctx   context.Context
	r     io.Reader
	count func(int)
	// limit is the offset up to which the parser may read, 0 for no bound.
	limit, offset int64
}

// Read implements io.Reader. When ctx ends first, the abandoned read goes on
// in its goroutine, into a buffer of its own, until the file is closed.
func (in *input) Read(p []byte) (int, error) {
	if in.limit > 0 && in.offset >= in.limit {
		return 0, errLongRecord
	}
	type chunk struct {
		data []byte
		err  error
	}
	read := make(chan chunk, 1)
	go func() {
		buf := make([]byte, len(p))
		n, err := in.r.Read(buf)
		read <- chunk{buf[:n], err}
	}()
	select {
	case <-in.ctx.Done():
		return 0, in.ctx.Err()
	case c := <-read:
		n := copy(p, c.data)
		in.offset += int64(n)
		in.count(n)
		return n, c.err
	}
}
