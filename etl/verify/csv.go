package verify

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/delfos/delfos/internal/signal"
)

// width is the length of a window, which starts at a multiple of it.
const width = 10 * time.Minute

// readings are those of one window, by variable.
type readings struct {
	start  time.Time
	values [len(signal.Variables)][]float64
}

// parse reads the answer for one turbine's day [day, day + 24 h) and sorts the
// readings into windows, in order of time.
func parse(body []byte, turbine int32, day time.Time) (windows []readings, rows int64, err error) {
	r := csv.NewReader(bytes.NewReader(body))
	r.ReuseRecord = true
	header := append([]string{"timestamp", "turbine_id"}, signal.Variables[:]...)
	r.FieldsPerRecord = len(header)
	record, err := r.Read()
	if err != nil {
		return nil, 0, fmt.Errorf("read the header: %w", err)
	}
	for i, name := range header {
		if record[i] != name {
			return nil, 0, fmt.Errorf("column %d is %q: want %q", i+1, record[i], name)
		}
	}
	last, end := day.Add(-1), day.AddDate(0, 0, 1)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return windows, rows, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read a row: %w", err)
		}
		rows++
		at, err := time.Parse(time.RFC3339Nano, record[0])
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("row %d: timestamp: %w", rows, err)
		case !at.After(last) || !at.Before(end):
			return nil, 0, fmt.Errorf("row %d: timestamp is %s: want one after the row before, within the day", rows, record[0])
		case record[1] != strconv.Itoa(int(turbine)):
			return nil, 0, fmt.Errorf("row %d: turbine_id is %q: want %d", rows, record[1], turbine)
		}
		last = at
		start := at.UTC().Truncate(width)
		if n := len(windows); n == 0 || !windows[n-1].start.Equal(start) {
			windows = append(windows, readings{start: start})
		}
		w := &windows[len(windows)-1]
		for i, field := range record[2:] {
			if field == "" {
				continue
			}
			x, err := strconv.ParseFloat(field, 64)
			if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, 0, fmt.Errorf("row %d: %s is %q: want a finite number", rows, signal.Variables[i], field)
			}
			w.values[i] = append(w.values[i], x)
		}
	}
}
