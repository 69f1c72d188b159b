// Package signal names what Delfos measures: the variables that a turbine
// logs, the statistics of a window, and the signals that their product makes.
// The order of each list is a contract: rows of the API and ids of signals
// follow it, so a new variable goes to the end.
package signal

// Variables are the readings of a sample, in the order of the API's fields and
// of the source's columns.
var Variables = [...]string{"wind_speed", "power", "ambient_temperature"} //nolint:gochecknoglobals // Go has no constant arrays

// Units are those of the Variables, in their order.
var Units = [len(Variables)]string{"m/s", "kW", "°C"} //nolint:gochecknoglobals // as Variables

// Statistics are what is computed of a variable in each window.
var Statistics = [...]string{"mean", "min", "max", "std", "count"} //nolint:gochecknoglobals // as Variables

// Count is the number of signals.
const Count = len(Variables) * len(Statistics)

// Names returns the names of all signals, {variable}_{statistic}, ordered by
// variable, then statistic. The target's reference rows give Names()[i] the
// id i+1.
func Names() []string {
	names := make([]string, 0, Count)
	for _, variable := range Variables {
		for _, statistic := range Statistics {
			names = append(names, variable+"_"+statistic)
		}
	}
	return names
}
