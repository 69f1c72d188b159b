package csvimport

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
)

// parseNumber reads decimal notation. strconv also takes hexadecimal floats,
// infinities and NaN, which the source does not hold.
func parseNumber(s string) (float64, error) {
	if strings.Trim(s, "0123456789+-.eE") == "" {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil {
			return v, nil
		}
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s is out of range: at most %g either way", quote(s), math.MaxFloat64)
		}
	}
	return 0, fmt.Errorf("%s is not a number such as -12.5 or 1e3 (a missing reading is an empty field)", quote(s))
}

// parseTime reads an instant, in microseconds of Unix time. In a file, unlike
// in a query string, no blank stands for a plus and none is trimmed.
func parseTime(s string) (pgrow.Micros, error) {
	if strings.TrimSpace(s) != s || strings.LastIndexByte(s, ' ') > len(time.DateOnly) {
		return 0, fmt.Errorf("%s is %w", quote(s), timestamp.ErrMalformed)
	}
	t, err := timestamp.Parse(s)
	if err != nil {
		return 0, fmt.Errorf("%s is %w", quote(s), err)
	}
	return pgrow.Micros(t.Time().UnixMicro()), nil
}

// parseTurbine reads a turbine's id.
func parseTurbine(s string) (int32, error) {
	id, err := strconv.ParseInt(s, 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%s is not a turbine's id from 1 to %d", quote(s), math.MaxInt32)
	}
	return int32(id), nil
}
