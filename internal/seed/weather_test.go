package seed

import (
	"math"
	"testing"
	"time"
)

// minuteOf returns the minute that a day of 2025 begins with.
func minuteOf(month time.Month, day int) int64 {
	return int64(time.Date(2025, month, day, 0, 0, 0, 0, time.UTC).Sub(firstMinute()) / time.Minute)
}

func TestSampleDependsOnTurbineAndMinuteAlone(t *testing.T) {
	t.Parallel()
	weather := newWeather()
	walked, first := weather.series(7), minuteOf(time.March, 1)
	for i := range int64(3 * minutesPerDay) {
		got := walked.at(first + i)
		if i%97 != 0 {
			continue
		}
		if want := newWeather().series(7).at(first + i); got != want {
			t.Fatalf("minute %d: walked to it got %v, asked directly %v", i, got, want)
		}
	}
	if a, b := weather.series(1).at(first), weather.series(2).at(first); a == b {
		t.Errorf("turbines 1 and 2 both log %v", a)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	const years, stride = 4, 61
	for _, turbine := range []int32{1, 1000} {
		s := newWeather().series(turbine)
		first := minuteOf(time.January, 1)
		var sum, squares, products float64
		var n, resting, rated int64
		for minute := first; minute < first+years*365*minutesPerDay; minute += stride {
			v, next := s.at(minute), s.at(minute+1)
			checkFinite(t, v)
			n++
			sum += v.windSpeed
			squares += v.windSpeed * v.windSpeed
			products += v.windSpeed * next.windSpeed
			if v.power < 0 {
				resting++
			}
			if v.power == ratedPower {
				rated++
			}
		}
		mean := sum / float64(n)
		variance := squares/float64(n) - mean*mean
		within(t, "mean wind", mean, weibullScale*math.Gamma(1.5), 0.3)
		within(t, "deviation of the wind", math.Sqrt(variance), weibullScale*math.Sqrt(1-math.Pi/4), 0.3)
		within(t, "autocorrelation at lag 1", (products/float64(n)-mean*mean)/variance, 0.975, 0.01)
		// What the Weibull distribution has below cut-in and above rated speed.
		within(t, "share at rest", float64(resting)/float64(n), 0.131, 0.02)
		within(t, "share at rated power", float64(rated)/float64(n), 0.105, 0.02)
	}
}

func checkFinite(t *testing.T, v sample) {
	t.Helper()
	for _, x := range []float64{v.windSpeed, v.power, v.ambientTemperature} {
		if math.IsNaN(x) || math.IsInf(x, 0) || (x == 0 && math.Signbit(x)) || x != round(x) {
			t.Fatalf("%v holds a value that is not finite, is -0, or has more than 3 decimals", v)
		}
	}
	if v.windSpeed < 0 || v.power < -8 || v.power > ratedPower {
		t.Fatalf("%v is out of what a turbine logs", v)
	}
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %.4f, want %.4f ± %g", what, got, want, tolerance)
	}
}

func TestPower(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ speed, luck, want float64 }{
		{speed: 0, luck: 0.5, want: -6},
		{speed: 2.999, luck: 0.25, want: -5},
		{speed: 3, luck: 0.5, want: 0},
		// (7.5³ − 27) / (12³ − 27) of 2,000 kW, 1.5 % of it lost.
		{speed: 7.5, luck: 0.5, want: 457.321},
		{speed: 12, luck: 0.5, want: 2000},
		{speed: 25, luck: 0.5, want: 2000},
		{speed: 25.001, luck: 0.5, want: -6},
	} {
		if got := round(power(tt.speed, tt.luck)); got != tt.want {
			t.Errorf("power(%g, %g): got %g, want %g", tt.speed, tt.luck, got, tt.want)
		}
	}
}

func TestTemperatureHasDayAndYear(t *testing.T) {
	t.Parallel()
	s := newWeather().series(1)
	mean := func(month time.Month, hour int64) float64 {
		var sum float64
		// Ten days of ten years: the weather between them averages out.
		for i := range int64(100) {
			sum += s.at(minuteOf(month, 10) + i/10*365*minutesPerDay + i%10*minutesPerDay + hour*60).ambientTemperature
		}
		return sum / 100
	}
	for _, month := range []time.Month{time.January, time.July} {
		if night, noon := mean(month, 3), mean(month, 15); noon < night+5 {
			t.Errorf("%s: %.1f °C at 3:00, %.1f °C at 15:00", month, night, noon)
		}
	}
	if winter, summer := mean(time.January, 12), mean(time.July, 12); summer < winter+12 {
		t.Errorf("%.1f °C in January, %.1f °C in July", winter, summer)
	}
}

func BenchmarkSample(b *testing.B) {
	b.ReportAllocs()
	s, minute := newWeather().series(1), minuteOf(time.January, 1)
	for b.Loop() {
		s.at(minute)
		minute++
	}
}
