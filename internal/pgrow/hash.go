package pgrow

import (
	"math"
	"math/bits"
)

// Seed is HASH_PARTITION_SEED of PostgreSQL. With the seed 0, 0 would hash as a NULL does.
const Seed = 0x7A5B22367996DCFD

// Hash computes PostgreSQL's hash_record_extended(row(…), Seed). The zero Hash has no columns yet; add
// them in their order.
//
// So a query that reads rows needs no hash, which would cost the database two thirds of what the rows
// cost, and the result still equals a digest in the database.
//
// The functions are those of hash partitions, which do not change. A big-endian database hashes floats
// otherwise and never agrees, which is safe: nothing that changed is taken for unchanged.
type Hash uint64

// Null adds a NULL of any type.
func (h *Hash) Null() { h.add(0) }

// Int32 adds an integer.
func (h *Hash) Int32(v int32) { h.add(hash32(uint32(v))) }

// Int64 adds a bigint.
func (h *Hash) Int64(v int64) {
	high := uint32(uint64(v) >> 32)
	if v < 0 {
		high = ^high // so that an integer of 32 bits hashes alike in any width
	}
	h.add(hash32(uint32(v) ^ high))
}

// Timestamp adds a timestamptz, which hashes as a bigint does.
func (h *Hash) Timestamp(v Micros) { h.Int64(int64(v) - epoch) }

// Float64 adds a double precision that is not NaN.
func (h *Hash) Float64(v float64) {
	if v == 0 {
		h.add(Seed) // 0 and -0 are equal
		return
	}
	u := math.Float64bits(v)
	h.add(final(state8a+uint32(u), state8b+uint32(u>>32), state8c))
}

// add is the combination of hash_record_extended.
func (h *Hash) add(column uint64) { *h = *h*31 + Hash(column) }

// The state that lookup3 begins with, for keys of 4 and of 8 bytes. A test asks PostgreSQL.
const (
	state4a, state4b, state4c uint32 = 0xe933553e, 0xc5da07a8, 0xfdfd95ed
	state8a, state8b, state8c uint32 = 0x54dc0c32, 0x7a219d09, 0xbb713451
)

func hash32(k uint32) uint64 { return final(state4a+k, state4b, state4c) }

// final is the last mixing of Bob Jenkins's lookup3, as the 64 bits that PostgreSQL makes of it.
func final(a, b, c uint32) uint64 {
	c ^= b
	c -= bits.RotateLeft32(b, 14)
	a ^= c
	a -= bits.RotateLeft32(c, 11)
	b ^= a
	b -= bits.RotateLeft32(a, 25)
	c ^= b
	c -= bits.RotateLeft32(b, 16)
	a ^= c
	a -= bits.RotateLeft32(c, 4)
	b ^= a
	b -= bits.RotateLeft32(a, 14)
	c ^= b
	c -= bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}
