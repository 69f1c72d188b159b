package stream

import (
	"math"
	"strconv"
)

// appendFloat appends the shortest decimal that reads back as f: with an
// exponent only below 1e-6 and from 1e21 on, as encoding/json has it, and with
// .0 after a whole number, as the replaced system had it, whose clients in
// Python take 10 for an integer and 10.0 for a float.
func appendFloat(b []byte, f float64) []byte {
	// Readings have few decimals. If n/10^4 rounds to f and n has at most 15
	// digits, then no other decimal that short does: it is the shortest one,
	// found without a search.
	const scale = 1e4
	if a := math.Abs(f); a >= 1/scale && a < 1e15/scale {
		if n := math.Round(a * scale); n/scale == a {
			if f < 0 {
				b = append(b, '-')
			}
			return appendScaled(b, uint64(n))
		}
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if format == 'f' && f == math.Trunc(f) {
		return append(b, ".0"...)
	}
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && (b[n-3] == '-' || b[n-3] == '+') && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is e-9
		b = b[:n-1]
	}
	return b
}

// appendScaled appends n/10^4 without trailing zeros but one.
func appendScaled(b []byte, n uint64) []byte {
	whole, fraction := n/10_000, n%10_000
	b = strconv.AppendUint(b, whole, 10)
	if fraction == 0 {
		return append(b, ".0"...)
	}
	b = append(b, '.', byte('0'+fraction/1000), byte('0'+fraction/100%10), byte('0'+fraction/10%10), byte('0'+fraction%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
