package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
)

// What makes a curve, and what is far off it: docs/checks.md says why.
const (
	binsPerMetre = 2  // a second
	fullSpeed    = 20 // m/s
	binWindows   = 8
	farDeviation = 6 * 1.4826 // of the median absolute deviation, in a Gaussian's terms
	farShare     = 0.2
)

type point struct {
	bin         int
	start       int64
	wind, power float64
}

type departure struct {
	point

	usual float64
}

// String says how far off it is.
func (d departure) String() string {
	return fmt.Sprintf("%.0f kW at %.1f m/s, where %.0f kW are usual that day", d.power, d.wind, d.usual)
}

// curve is the power curve of a turbine's day. Its memory is used again for the
// next turbine.
type curve struct {
	points     []point
	deviations []float64 // of the points of a bin
	highest    float64   // power of all windows without outliers
}

// departures returns the windows of the day from start on that are far off the
// curve, in order of time. Windows with outliers have no part in the curve, nor have
// those whose readings, one each interval, cover less than half of them.
func (c *curve) departures(start, interval int64, windows []window.Window, outside []outlier) []departure {
	var leftOut [windowsPerDay]bool
	for _, o := range outside {
		leftOut[(o.window-start)/width] = true
	}
	c.points, c.highest = c.points[:0], math.Inf(-1)
	for _, w := range windows {
		wind, power := w.Stats[variable.WindSpeed], w.Stats[variable.Power]
		if leftOut[(w.Start-start)/width] {
			continue
		}
		if power.Count > 0 {
			c.highest = max(c.highest, power.Max)
		}
		if int64(min(wind.Count, power.Count))*interval >= width/2 && wind.Mean >= 0 && wind.Mean < fullSpeed {
			c.points = append(c.points, point{int(wind.Mean * binsPerMetre), w.Start, wind.Mean, power.Mean})
		}
	}
	if c.highest <= 0 {
		return nil
	}
	slices.SortFunc(c.points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.bin, b.bin), cmp.Compare(a.power, b.power))
	})
	var far []departure
	for bin := c.points; len(bin) > 0; {
		n := 1
		for n < len(bin) && bin[n].bin == bin[0].bin {
			n++
		}
		far = c.appendFar(far, bin[:n])
		bin = bin[n:]
	}
	slices.SortFunc(far, func(a, b departure) int { return cmp.Compare(a.start, b.start) })
	return far
}

// appendFar appends the departures of a bin, whose points are in order of power.
func (c *curve) appendFar(far []departure, bin []point) []departure {
	n := len(bin)
	if n < binWindows {
		return far
	}
	usual := (bin[(n-1)/2].power + bin[n/2].power) / 2
	least := farShare * c.highest
	if usual-bin[0].power <= least && bin[n-1].power-usual <= least {
		return far
	}
	c.deviations = c.deviations[:0]
	for _, p := range bin {
		c.deviations = append(c.deviations, math.Abs(p.power-usual))
	}
	slices.Sort(c.deviations)
	least = max(least, farDeviation*(c.deviations[(n-1)/2]+c.deviations[n/2])/2)
	for _, p := range bin {
		if math.Abs(p.power-usual) > least {
			far = append(far, departure{p, usual})
		}
	}
	return far
}
