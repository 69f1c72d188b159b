package etl

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// recyclers are for one stream after another.
//
//nolint:gochecknoglobals // What is in a pool belongs to nobody.
var recyclers sync.Pool

// recycler is the allocator of an Arrow stream, whose batches come one by one:
// the memory that a batch gives back takes the next one, where the garbage of a
// fleet's day would make the heap grow with the fleet. It is not safe for
// concurrent use.
type recycler struct {
	memory.GoAllocator

	spare []byte
}

// Allocate implements memory.Allocator.
func (r *recycler) Allocate(size int) []byte {
	if b := r.spare; size > 0 && cap(b) >= size {
		r.spare = nil
		return b[:size]
	}
	return r.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if cap(b) >= size {
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

// Free implements memory.Allocator.
func (r *recycler) Free(b []byte) {
	if cap(b) > cap(r.spare) {
		r.spare = b[:0]
	}
}
