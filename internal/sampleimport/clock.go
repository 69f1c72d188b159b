package sampleimport

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"

	"github.com/delfos/delfos/internal/timestamp"
)

type clock struct {
	zone *time.Location // nil where it was not told; then it is UTC
	read func(text string) (wall, error)
}

// A wall is a time as a file has it: an instant if it is zoned, else what a clock on a
// wall shows, as if it were UTC.
type wall struct {
	t     time.Time
	zoned bool
}

func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, map[bool]error{true: errors.New("the zone must not depend on the machine")}[name != ""]
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, name); err == nil {
			_, offset := t.Zone()
			return time.FixedZone(name, offset), nil
		}
	}
	return time.LoadLocation(name)
}

const (
	secondsOfDay   = 86_400
	excelEpoch     = -2_209_161_600 // 1899-12-30
	maxUnixSeconds = 253_402_300_800
)

// layout returns the function that reads times of a format. The error says what is allowed.
func layout(format string) (func(string) (wall, error), error) {
	counted := func(seconds func(float64) float64, zoned bool) func(string) (wall, error) {
		return func(text string) (wall, error) {
			v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
			if err != nil || !(math.Abs(seconds(v)) < maxUnixSeconds) {
				return wall{}, errors.New("not a number that --date-format " + format + " counts")
			}
			return wall{time.UnixMicro(int64(math.Round(seconds(v) * 1e6))).UTC(), zoned}, nil
		}
	}
	switch {
	case format == "":
		return own, nil
	case format == "unix":
		return counted(func(v float64) float64 { return v }, true), nil
	case format == "unix_ms":
		return counted(func(v float64) float64 { return v / 1e3 }, true), nil
	case format == "excel": // five digits of a day are a second
		return counted(func(v float64) float64 { return excelEpoch + math.Round(v*secondsOfDay) }, false), nil
	case strings.Contains(format, "%Z"), strings.Contains(format, "MST"):
		return nil, errors.New("a format without a zone's abbreviation, which is ambiguous; --time-zone tells the zone")
	case strings.Contains(format, "%"):
		if _, err := strftime.Layout(format); err != nil {
			return nil, fmt.Errorf("a strptime format such as %%d.%%m.%%Y %%H:%%M: %w", err)
		}
		zoned := strings.Contains(format, "%z") || strings.Contains(format, "%:z")
		colon := strings.ReplaceAll(format, "%z", "%:z")
		return func(text string) (wall, error) {
			t, err := strftime.Parse(format, text)
			if err != nil && zoned {
				t, err = strftime.Parse(colon, text)
			}
			return wall{t, zoned}, err
		}, nil
	case strings.Contains(format, "06") && strings.ContainsAny(format, "12"):
		zoned := strings.Contains(format, "-07") || strings.Contains(format, "Z07")
		return func(text string) (wall, error) {
			t, err := time.Parse(format, text)
			return wall{t, zoned}, err
		}, nil
	}
	return nil, errors.New("a strptime format such as %d.%m.%Y %H:%M, a Go layout such as 02.01.2006 15:04, unix, unix_ms or excel")
}

// own reads the forms that Delfos takes and writes; in a file no blank stands for a plus.
func own(text string) (wall, error) {
	if strings.LastIndexByte(text, ' ') > len(time.DateOnly) {
		return wall{}, timestamp.ErrMalformed
	}
	t, zoned, err := timestamp.ParseZoned(text)
	return wall{t, zoned}, err
}

// instant returns the instant of a value; of an hour that comes twice by the turbine's rows before.
func (c *clock) instant(v value, before *track) (time.Time, error) {
	w := v.at
	v.text = v.word()
	if v.text == "" && v.kind != kindTime {
		return time.Time{}, errors.New("the time is missing")
	}
	if v.kind != kindTime {
		var err error
		if w, err = c.read(v.text); err != nil {
			return time.Time{}, fmt.Errorf("%s is %w%s", quote(v.text), err, suggestion(v.text))
		}
	}
	switch {
	case w.zoned:
	case c.zone != nil:
		t, err := local(w.t, c.zone, before)
		if err != nil {
			return time.Time{}, err
		}
		w.t = t
	default:
		before.zoneless = true
		if err := suspect(w.t, before); err != nil {
			return time.Time{}, err
		}
	}
	t := w.t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < 1 || y > 9999 {
		return t, fmt.Errorf("%s is %w", quote(v.text), timestamp.ErrRange)
	}
	return t, nil
}

func suggestion(text string) string {
	var found []string
	for _, date := range []string{"%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %m %Y", "%d-%b-%Y", "%Y%m%d"} {
		for _, clock := range []string{"", " %H:%M", " %H:%M:%S", " %I:%M:%S %p", " %I:%M %p", "%H%M", "%H%M%S"} {
			if _, err := strftime.Parse(date+clock, text); err == nil {
				found = append(found, strconv.Quote(date+clock))
			}
		}
	}
	if v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64); err == nil && found == nil {
		switch {
		case v > 1e12:
			found = []string{"unix_ms"}
		case v > 1e8:
			found = []string{"unix"}
		case v > 1e4:
			found = []string{"excel"}
		}
	}
	if found == nil {
		return ""
	}
	return "; --date-format " + strings.Join(found, " or ") + " reads it"
}

// local returns the instant at which a clock in the zone shows the time, after the rows before.
func local(shown time.Time, in *time.Location, before *track) (time.Time, error) {
	found, near := timestamp.Instants(shown, in)
	if len(found) == 0 {
		change, end := near.ZoneBounds()
		if end.Sub(near) < near.Sub(change) {
			change = end
		}
		_, offset := change.Add(-1).Zone()
		from := change.UTC().Add(time.Duration(offset) * time.Second)
		return shown, fmt.Errorf("%s does not exist in %s, where the clocks went from %s to %s; rows of another zone need another --time-zone",
			shown.Format(plain), in, from.Format(time.TimeOnly), change.Format(time.TimeOnly))
	}
	if before.rows > 0 && before.descending {
		slices.Reverse(found)
	}
	for _, t := range found {
		follows := t.After(before.last)
		if before.descending {
			follows = t.Before(before.last)
		}
		// A row far from the one before begins a new series.
		if before.rows == 0 || follows || t.Sub(before.last).Abs() > 6*time.Hour {
			return t, nil
		}
	}
	return found[len(found)-1], nil
}

const plain = "2006-01-02T15:04:05"

// suspect returns an error where the rows of a file without offsets leave an hour out, or
// have it twice, as clocks do somewhere: taken for UTC, they would be wrong.
func suspect(shown time.Time, before *track) error {
	step, usual := shown.Sub(before.last), before.step
	if before.rows < 2 || usual == 0 || usual.Abs() > time.Hour {
		return nil
	}
	hour := time.Hour
	if usual < 0 {
		hour = -hour
	}
	first, what, times := shown, "comes twice", 2
	switch step - usual {
	case -hour:
	case hour:
		first, what, times = before.last.Add(usual), "is left out", 0
		if usual < 0 {
			first = shown.Add(-usual)
		}
	default:
		return nil
	}
	for _, name := range []string{
		"Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Sao_Paulo", "America/Santiago",
		"Australia/Sydney", "Pacific/Auckland", "Asia/Tehran", "Africa/Cairo",
	} {
		in, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		if found, _ := timestamp.Instants(first, in); len(found) == times {
			return fmt.Errorf("the hour of %s %s, as the clocks have it in %s, and the file has no offsets; --time-zone %s (or another zone) reads local times, --time-zone UTC reads UTC",
				first.Format(plain), what, name, name)
		}
	}
	return nil
}
