package stream

import (
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/compress"
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

// pageCodec compresses the pages of Parquet files. The one that arrow-go
// brings takes 89 to 123 MB for an answer.
type pageCodec struct{ stock }

// stock is what arrow-go's own codec of zstd can do; reading is left to it.
type stock interface {
	compress.ErrorCodec
	compress.StreamingCodec
}

//nolint:gochecknoinits // arrow-go's table of codecs has no lock: before main is when it may be changed.
func init() {
	if codec, err := compress.GetCodec(compress.Codecs.Zstd); err == nil {
		if s, ok := codec.(stock); ok {
			compress.RegisterCodec(compress.Codecs.Zstd, pageCodec{s})
		}
	}
}

// Encode implements compress.Codec.
func (pageCodec) Encode(dst, src []byte) []byte {
	w, ok := pagePool.Get().(*zstd.Encoder)
	if !ok {
		w = newZstd()
	}
	defer pagePool.Put(w)
	return w.EncodeAll(src, dst[:0])
}

// EncodeLevel implements compress.Codec; there is one level.
func (c pageCodec) EncodeLevel(dst, src []byte, _ int) []byte { return c.Encode(dst, src) }
