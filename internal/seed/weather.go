package seed

import (
	"math"
	"time"
)

// What a turbine of the farm is like.
const (
	weibullScale = 8.0 // m/s, with the shape 2: a mean of 7.1 m/s
	cutIn        = 3.0 // m/s
	ratedSpeed   = 12.0
	cutOut       = 25.0
	ratedPower   = 2000.0 // kW

	minutesPerDay  = 24 * 60
	minutesPerYear = 365.2425 * minutesPerDay
)

// firstMicros is minute 0 of every series, in microseconds of Unix time.
const firstMicros = -2_208_988_800_000_000

// firstMinute returns 1900-01-01, minute 0 of every series.
func firstMinute() time.Time { return time.UnixMicro(firstMicros).UTC() }

// What a stream of random numbers is drawn for. Octaves count up from these.
const (
	purposeWind uint64 = (iota + 1) << 8
	purposeTemperature
	purposeLoss
)

// A weather holds the time scales that all turbines share.
type weather struct {
	// The farm shares fronts and half days; squalls, gusts and turbulence are each turbine's own.
	wind     []octave
	farmWind int
	warmth   []octave
	sensor   octave
}

func newWeather() *weather {
	return &weather{
		wind: octaves(
			octave{period: 4 * minutesPerDay, share: 0.75},
			octave{period: 12 * 60, share: 0.50},
			octave{period: 2 * 60, share: 0.30},
			octave{period: 20, share: 0.20},
			octave{period: 1, share: 0.15},
		),
		farmWind: 2,
		warmth: octaves(
			octave{period: 5 * minutesPerDay, share: 1},
			octave{period: 6 * 60, share: 0.3},
		),
		sensor: newOctave(1, 0.03),
	}
}

// A sample is what a turbine logs of one minute: m/s, kW and °C.
type sample struct{ windSpeed, power, ambientTemperature float64 }

// A series gives the samples of one turbine, each a function of turbine and minute alone.
type series struct {
	wind   []noise
	warmth []noise
	sensor noise
	loss   uint64
}

func (w *weather) series(turbine int32) *series {
	s := &series{
		sensor: newNoise(&w.sensor, stream(turbine, purposeTemperature|0xff)),
		loss:   stream(turbine, purposeLoss),
	}
	for i := range w.wind {
		who := turbine
		if i < w.farmWind {
			who = 0
		}
		s.wind = append(s.wind, newNoise(&w.wind[i], stream(who, purposeWind+uint64(i))))
	}
	for i := range w.warmth {
		s.warmth = append(s.warmth, newNoise(&w.warmth[i], stream(0, purposeTemperature+uint64(i))))
	}
	return s
}

// at returns the sample of a minute, counted from firstMinute, rounded to 3 decimals: a logger
// resolves no more, and processors that round the last bit differently agree.
func (s *series) at(minute int64) sample {
	var g float64
	for i := range s.wind {
		g += s.wind[i].at(minute)
	}
	// From a Gaussian to the Weibull quantile, which is a square root for the shape 2.
	speed := round(weibullScale * math.Sqrt(-math.Log(math.Erfc(g/math.Sqrt2)/2)))

	var t float64
	for i := range s.warmth {
		t += s.warmth[i].at(minute)
	}
	// Coldest in the middle of January, warmest at 15:00.
	season := math.Cos(2 * math.Pi * (float64(minute)/minutesPerYear - 15/365.2425))
	hour := math.Cos(2 * math.Pi * (float64(minute%minutesPerDay)/minutesPerDay - 15.0/24))
	return sample{
		windSpeed:          speed,
		power:              round(power(speed, uniform(s.loss, minute))),
		ambientTemperature: round(10 - 9*season + 4*hour + 3*t + s.sensor.at(minute)),
	}
}

// power returns what the turbine yields, in kW. luck in (0, 1) moves it: up to 3 % is lost on the way
// to rated power, and a turbine at rest consumes 4 to 8 kW.
func power(speed, luck float64) float64 {
	switch {
	case speed < cutIn || speed > cutOut:
		return -4 - 4*luck
	case speed >= ratedSpeed:
		return ratedPower
	default:
		cube := func(v float64) float64 { return v * v * v }
		share := (cube(speed) - cube(cutIn)) / (cube(ratedSpeed) - cube(cutIn))
		return ratedPower * share * (1 - 0.03*luck)
	}
}

// round rounds to 3 decimals; adding 0 turns -0 into 0.
func round(x float64) float64 { return math.Round(x*1000)/1000 + 0 }

// An octave is smooth noise on one time scale: each minute blends the Gaussian values of the lattice
// points beside it, period minutes apart, by weights whose squares sum to 1.
type octave struct {
	period int64
	share  float64
	// fade is the weight of the point behind, by the minutes since; that of the one ahead mirrors it.
	fade []float64
}

func newOctave(period int64, share float64) octave {
	o := octave{period: period, share: share, fade: make([]float64, period+1)}
	for m := range o.fade {
		f := float64(m) / float64(period)
		o.fade[m] = share * math.Cos(math.Pi/2*f*f*(3-2*f))
	}
	// The cosine of π/2 is not quite 0.
	o.fade[period] = 0
	return o
}

// octaves scales the shares so that their sum is Gaussian with variance 1.
func octaves(unscaled ...octave) []octave {
	var variance float64
	for _, o := range unscaled {
		variance += o.share * o.share
	}
	scaled := make([]octave, 0, len(unscaled))
	for _, o := range unscaled {
		scaled = append(scaled, newOctave(o.period, o.share/math.Sqrt(variance)))
	}
	return scaled
}

// A noise walks along one octave of one stream. The next minute is the cheapest.
type noise struct {
	octave        *octave
	stream        uint64
	lattice       int64
	behind, ahead float64
}

func newNoise(o *octave, stream uint64) noise {
	return noise{octave: o, stream: stream, lattice: math.MinInt64}
}

func (n *noise) at(minute int64) float64 {
	i := minute / n.octave.period
	if i != n.lattice {
		if i == n.lattice+1 {
			n.behind = n.ahead
		} else {
			n.behind = normal(n.stream, i)
		}
		n.ahead = normal(n.stream, i+1)
		n.lattice = i
	}
	m := minute - i*n.octave.period
	return n.octave.fade[m]*n.behind + n.octave.fade[n.octave.period-m]*n.ahead
}

// stream returns what one turbine (0 for the whole farm) draws for one purpose.
func stream(turbine int32, purpose uint64) uint64 {
	return mix(mix(uint64(uint32(turbine))+1) ^ purpose)
}

func uniform(stream uint64, i int64) float64 {
	h := mix(stream + uint64(i)*0x9e3779b97f4a7c15)
	return (float64(h>>12) + 0.5) / (1 << 52)
}

func normal(stream uint64, i int64) float64 {
	return math.Sqrt2 * math.Erfinv(2*uniform(stream, i)-1)
}

// mix is the finaliser of SplitMix64. With a hash in place of a generator, a minute needs none of the
// minutes before it.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
