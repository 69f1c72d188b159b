package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/signal"
)

// tolerance is how far mean and deviation may be from the exact value, relative
// to it.
const tolerance = 1e-12

// The statistics in the order of signal.Statistics.
const (
	statMean = iota
	statMin
	statMax
	statStd
	statCount
)

// catalogue is the target's signals: their ids by position in signal.Names, and
// their names by id.
type catalogue struct {
	ids   []int32
	names map[int32]string
}

func newCatalogue(signals []targetdb.Signal) (*catalogue, error) {
	c := &catalogue{names: map[int32]string{}}
	ids := map[string]int32{}
	for _, s := range signals {
		c.names[s.ID], ids[s.Name] = s.Name, s.ID
	}
	for _, name := range signal.Names() {
		id, ok := ids[name]
		if !ok {
			return nil, fmt.Errorf("the target has no signal %s; `delfos schema apply target` writes it", name)
		}
		c.ids = append(c.ids, id)
	}
	return c, nil
}

func (c *catalogue) name(id int32) string {
	if name, ok := c.names[id]; ok {
		return name
	}
	return "signal " + strconv.Itoa(int(id))
}

// value is a value that the target should hold of a turbine; at is in
// microseconds of Unix time.
type value struct {
	signal int32
	at     int64
	value  float64
	exact  bool // has to be equal to the last bit
}

// errOverflow says that no double can hold the deviation of finite readings.
var errOverflow = errors.New("the standard deviation is beyond the range of a double")

// expected computes the values that windows make, in the order of data's key.
func (c *catalogue) expected(windows []readings) ([]value, error) {
	values := make([]value, 0, len(windows)*signal.Count)
	for _, w := range windows {
		for place, readings := range w.values {
			if len(readings) == 0 {
				continue
			}
			s := summarize(readings)
			if math.IsInf(s.std, 0) {
				return nil, fmt.Errorf("window %s: %s: %w", w.start.Format(time.RFC3339), variable.Names[place], errOverflow)
			}
			for statistic, v := range [len(signal.Statistics)]float64{
				statMean: s.mean, statMin: s.min, statMax: s.max, statStd: s.std, statCount: float64(s.count),
			} {
				if statistic == statStd && s.count == 1 {
					continue
				}
				values = append(values, value{
					signal: c.ids[place*len(signal.Statistics)+statistic], at: w.start.UnixMicro(),
					value: v, exact: statistic != statMean && statistic != statStd,
				})
			}
		}
	}
	slices.SortFunc(values, compareKeys)
	return values, nil
}

func compareKeys(a, b value) int {
	return cmp.Or(cmp.Compare(a.signal, b.signal), cmp.Compare(a.at, b.at))
}

type comparison struct {
	Day

	worst     *Deviation
	findings  []Finding
	limit     int
	catalogue *catalogue
}

// add takes in what was found of the turbines that follow.
func (d *comparison) add(o *comparison) {
	d.Counts, d.Values = d.plus(o.Counts), d.Values+o.Values
	d.findings = append(d.findings, o.findings[:min(len(o.findings), d.limit-len(d.findings))]...)
	if o.worst != nil && (d.worst == nil || o.worst.Relative > d.worst.Relative) {
		d.worst = o.worst
	}
}

func (d *comparison) note(f Finding) {
	if len(d.findings) < d.limit {
		d.findings = append(d.findings, f)
	}
}

func (d *comparison) place(turbine, signal int32, at int64) Place {
	return Place{Day: d.Day.Day, Turbine: turbine, Signal: d.catalogue.name(signal), Window: time.UnixMicro(at).UTC()}
}

func (d *comparison) missing(turbine int32, v value) {
	d.Missing++
	d.note(Finding{Kind: Missing, Place: d.place(turbine, v.signal, v.at), Want: new(Number(v.value))})
}

func (d *comparison) extra(turbine, signal int32, at int64, got float64) {
	d.Extra++
	d.note(Finding{Kind: Extra, Place: d.place(turbine, signal, at), Got: new(Number(got))})
}

func (d *comparison) unreadable(turbine int32, err error) {
	d.Unreadable++
	d.note(Finding{Kind: Unreadable, Place: Place{Day: d.Day.Day, Turbine: turbine}, Error: err.Error()})
}

func (d *comparison) compare(turbine int32, v value, got float64) {
	d.Values++
	if got == v.value {
		return
	}
	off := Number(relative(got, v.value))
	worst, wrong := d.worst == nil || off > d.worst.Relative, v.exact || off > tolerance
	if !worst && !wrong {
		return
	}
	deviation := Deviation{d.place(turbine, v.signal, v.at), Number(got), Number(v.value), off}
	if worst {
		d.worst = &deviation
	}
	if wrong {
		d.Wrong++
		d.note(Finding{Kind: Wrong, Place: deviation.Place, Got: &deviation.Got, Want: &deviation.Want, Relative: &deviation.Relative})
	}
}

// relative is the difference of two numbers over the larger one, between 0 and 2,
// also for the smallest of numbers. It is 2 if one of them is NaN.
func relative(a, b float64) float64 {
	if a == b {
		return 0
	}
	larger := math.Max(math.Abs(a), math.Abs(b))
	if r := math.Abs(a/larger - b/larger); !math.IsNaN(r) {
		return r
	}
	return 2
}

// turbine compares what the target has of a turbine with values, both in the order
// of data's key.
func (d *comparison) turbine(ctx context.Context, tx pgx.Tx, day time.Time, turbine int32, values []value) error {
	asked := targetdb.ReadValuesParams{TurbineIds: []int32{turbine}, SignalIds: d.catalogue.ids, Start: day, Stop: day.AddDate(0, 0, 1)}
	for held, err := range targetdb.New(tx).ReadValues(ctx, asked) {
		if err != nil {
			return fmt.Errorf("read what the target holds: %w", err)
		}
		place := value{signal: held.SignalID, at: int64(held.Timestamp)}
		for len(values) > 0 && compareKeys(values[0], place) < 0 {
			d.missing(turbine, values[0])
			values = values[1:]
		}
		if len(values) == 0 || compareKeys(values[0], place) > 0 {
			d.extra(turbine, place.signal, place.at, held.Value)
			continue
		}
		d.compare(turbine, values[0], held.Value)
		values = values[1:]
	}
	for _, v := range values {
		d.missing(turbine, v)
	}
	return nil
}

// precision of quotients and roots, in bits: far beyond the 53 of a float64,
// to which they are rounded last.
const precision = 200

// summary holds the statistics of readings, each rounded once to a float64. std,
// the sample deviation, is NaN for a single reading and +Inf beyond a float64.
type summary struct {
	mean, min, max, std float64
	count               int
}

// summarize computes in whole numbers: a float64 is an integer times a power of
// two, so with the smallest of the powers taken out Σx and Σx² are integers, and
// the variance is (nΣx² - (Σx)²) / n(n-1). There must be a finite reading.
func summarize(readings []float64) summary {
	s := summary{min: readings[0], max: readings[0], std: math.NaN(), count: len(readings)}
	unit := math.MaxInt
	for _, x := range readings {
		s.min, s.max = math.Min(s.min, x), math.Max(s.max, x)
		if x != 0 {
			_, exponent := split(x)
			unit = min(unit, exponent)
		}
	}
	if unit == math.MaxInt { // nothing but zeros
		if s.count > 1 {
			s.std = 0
		}
		return s
	}

	var sum, squares, x, square big.Int
	for _, reading := range readings {
		if reading == 0 {
			continue
		}
		mantissa, exponent := split(reading)
		x.Lsh(x.SetInt64(mantissa), uint(exponent-unit))
		sum.Add(&sum, &x)
		squares.Add(&squares, square.Mul(&x, &x))
	}
	n := big.NewInt(int64(s.count))
	s.mean = scaled(quotient(&sum, n), unit)
	if s.count > 1 {
		squares.Mul(&squares, n)
		squares.Sub(&squares, square.Mul(&sum, &sum))
		variance := quotient(&squares, x.Mul(n, big.NewInt(int64(s.count-1))))
		s.std = scaled(root(variance), unit)
	}
	return s
}

// split returns x as mantissa × 2^exponent, both whole.
func split(x float64) (mantissa int64, exponent int) {
	fraction, exponent := math.Frexp(x)
	return int64(math.Ldexp(fraction, 53)), exponent - 53
}

func quotient(a, b *big.Int) *big.Float {
	return new(big.Float).SetPrec(precision).Quo(new(big.Float).SetInt(a), new(big.Float).SetInt(b))
}

// root is the square root of a positive x to 100 bits, or zero of zero: that of a float64
// by one step of Newton's, which doubles its 53 bits, where x is within the range of one.
func root(x *big.Float) *big.Float {
	near, _ := x.Float64()
	if near < math.SmallestNonzeroFloat64*(1<<53) || math.IsInf(near, 0) {
		return x.Sqrt(x)
	}
	first := big.NewFloat(math.Sqrt(near)).SetPrec(precision)
	second := new(big.Float).Quo(x, first)
	return second.SetMantExp(second.Add(second, first), -1)
}

func scaled(x *big.Float, exponent int) float64 {
	rounded, _ := new(big.Float).SetMantExp(x, exponent).Float64()
	return rounded
}
