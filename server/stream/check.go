package stream

import "fmt"

// check says whether v may stand in the column.
func check(c *Column, v Value) error {
	switch {
	case v.Null():
		if c.Kind != Float64 {
			return fmt.Errorf("%s is null, which it never may be", c.Name)
		}
	case c.Kind == Float64 && !isFinite(v.Bits()):
		return fmt.Errorf("%s is %v, which is no reading", c.Name, v.Float64())
	}
	return nil
}

// isFinite says whether the bits of a float64 are those of a number.
func isFinite(bits uint64) bool {
	const exponent = 0x7ff << 52
	return bits&exponent != exponent
}

func rowError(format string, row int64, err error) error {
	return fmt.Errorf("write row %d as %s: %w", row, format, err)
}
