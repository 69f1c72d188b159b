package signal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/signal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNames pins names and order: the target's rows refer to a signal by its
// place.
func TestNames(t *testing.T) {
	t.Parallel()
	want := []string{
		"wind_speed_mean", "wind_speed_min", "wind_speed_max", "wind_speed_std", "wind_speed_count",
		"power_mean", "power_min", "power_max", "power_std", "power_count",
		"ambient_temperature_mean", "ambient_temperature_min", "ambient_temperature_max",
		"ambient_temperature_std", "ambient_temperature_count",
	}
	// A new variable's come behind them.
	if diff := cmp.Diff(want, signal.Names()[:len(want)]); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if got := len(signal.Names()); got != signal.Count {
		t.Errorf("count: got %d, want %d", signal.Count, got)
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"wind_speed_mean": "m/s", "power_std": "kW", "ambient_temperature_min": "°C", "power_count": "1",
		"power": "", "power_median": "", "speed_mean": "", "_mean": "", "mean": "", "": "",
	} {
		if got := signal.Unit(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, name := range signal.Names() {
		variable, statistic, ok := signal.Split(name)
		if !ok || variable+"_"+statistic != name {
			t.Errorf("%s: got %q, %q, %t", name, variable, statistic, ok)
		}
	}
}
