// Package signal names what Delfos measures: the variables that a turbine
// logs, the statistics of a window, and the signals that their product makes.
// The order of each list is a contract: rows of the API and ids of signals
// follow it, so a new variable goes to the end.
package signal

import "github.com/delfos/delfos/gen/variable"

// Go has no constant arrays.
//
//nolint:gochecknoglobals // Nobody writes to them.
var (
	// Variables are the readings of a sample, in the order of the source's columns.
	Variables = variable.Names
	// Units are those of the Variables, in their order.
	Units = variable.Units
	// Statistics are what is computed of a variable in each window.
	Statistics = [...]string{"mean", "min", "max", "std", "count"}
)

// Count is the number of signals.
const Count = len(Variables) * len(Statistics)

// Names returns the names of all signals, {variable}_{statistic}, ordered by
// variable, then statistic. The target's reference rows give Names()[i] the
// id i+1, unless a signal of somebody's own has it.
func Names() []string {
	names := make([]string, 0, Count)
	for _, variable := range Variables {
		for _, statistic := range Statistics {
			names = append(names, variable+"_"+statistic)
		}
	}
	return names
}
