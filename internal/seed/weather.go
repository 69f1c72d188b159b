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
	// The farm shares fronts and half days; squalls, gusts and turbulence are
	// each turbine's own.
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

// A series gives the samples of one turbine. A sample is a function of the
// turbine and the minute alone, so ranges that overlap agree where they do.
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

// at returns the sample of a minute, counted from firstMinute. Values are
// rounded to 3 decimals: a logger resolves no more, their text is short, and
// processors that round the last bit of a product differently agree.
func (s *series) at(minute int64) sample {
	var g float64
	for i := range s.wind {
		g += s.wind[i].at(minute)
	}
	// From a Gaussian to its tail probability to the Weibull quantile, which is
	// a square root for the shape 2.
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

// power returns what the turbine yields at a wind speed, in kW. luck in (0, 1)
// moves it: up to 3 % is lost on the way to rated power, and a turbine at rest
// consumes 4 to 8 kW.
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
