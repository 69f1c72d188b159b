package seed

import "math"

// An octave is smooth noise on one time scale: a Gaussian value hangs at every
// lattice point, period minutes apart, and each minute blends the two beside
// it. The squares of the two weights sum to 1, so that the variance is the same
// at every minute.
type octave struct {
	period int64
	share  float64
	// fade is the weight of the lattice point behind, by the minutes since.
	// The weight of the one ahead is fade mirrored.
	fade []float64
}

// newOctave returns the octave whose values have the standard deviation share.
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

// A noise walks along one octave of one stream of random numbers. Any minute
// can be asked for; the next one is the cheapest.
type noise struct {
	octave        *octave
	stream        uint64
	lattice       int64
	behind, ahead float64
}

func newNoise(o *octave, stream uint64) noise {
	return noise{octave: o, stream: stream, lattice: math.MinInt64}
}

// at returns the noise at a minute, which must not be negative.
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

// stream returns an independent stream of random numbers for what one turbine
// (0 for the whole farm) draws for one purpose.
func stream(turbine int32, purpose uint64) uint64 {
	return mix(mix(uint64(uint32(turbine))+1) ^ purpose)
}

// uniform returns the i-th number of a stream, inside (0, 1).
func uniform(stream uint64, i int64) float64 {
	h := mix(stream + uint64(i)*0x9e3779b97f4a7c15)
	return (float64(h>>12) + 0.5) / (1 << 52)
}

// normal returns the i-th number of a stream as a standard Gaussian.
func normal(stream uint64, i int64) float64 {
	return math.Sqrt2 * math.Erfinv(2*uniform(stream, i)-1)
}

// mix is the finaliser of SplitMix64: every bit of x changes half of the
// result's. A hash in place of a generator makes each minute reachable without
// the ones before it.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
