package stream

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The content codings on offer beside identity.
const (
	codingZstd = "zstd"
	codingGzip = "gzip"
)

// coder is an encoder of a content coding, for one answer at a time.
type coder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Encoders are a quarter to one megabyte each and keep nothing of an answer:
// they are used anew.
//
//nolint:gochecknoglobals // As above; what is in a pool belongs to nobody.
var (
	zstdPool = sync.Pool{New: func() any { return newZstd() }}
	gzipPool = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
		return w
	}}
	pagePool = sync.Pool{New: func() any { return newZstd() }}
)

// newZstd makes an encoder that works on the caller's goroutine and keeps its
// memory small: the default ones take 8 MB and as many goroutines as there are
// cores.
func newZstd() *zstd.Encoder {
	w, _ := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(1<<18),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderConcurrency(1),
		zstd.WithZeroFrames(true)) // options that there are
	return w
}

// takeCoder returns an encoder of the coding that writes to w, nil for
// identity, and what gives it back.
func takeCoder(coding string, w io.Writer) (coder, func()) {
	var pool *sync.Pool
	switch coding {
	case codingZstd:
		pool = &zstdPool
	case codingGzip:
		pool = &gzipPool
	default:
		return nil, func() {}
	}
	c, _ := pool.Get().(coder)
	c.Reset(w)
	return c, func() {
		c.Reset(nil)
		pool.Put(c)
	}
}
