// Package signal names the signals that Delfos makes of the variables that a
// turbine logs: each has a signal for each statistic of a window. The order of the
// variables and the statistics is a contract, because the ids of the signals
// follow it. So a new variable goes to the end.
package signal

import (
	"slices"
	"strings"

	"github.com/delfos/delfos/gen/variable"
)

// Statistics are what is computed of a variable in each window.
//
//nolint:gochecknoglobals // Nobody writes to it; Go has no constant arrays.
var Statistics = [...]string{"mean", "min", "max", "std", "count"}

// Count is the number of signals.
const Count = variable.Count * len(Statistics)

// Names returns the names of all signals, {variable}_{statistic}, in that order. The target's
// reference rows give Names()[i] the id i+1, unless a signal of somebody's own has it.
func Names() []string {
	names := make([]string, 0, Count)
	for _, variable := range variable.Names {
		for _, statistic := range Statistics {
			names = append(names, variable+"_"+statistic)
		}
	}
	return names
}

// Split takes a signal's name apart; ok is false for a name that is not in Names.
func Split(name string) (measured, statistic string, ok bool) {
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		measured, statistic = name[:i], name[i+1:]
	}
	return measured, statistic, slices.Contains(variable.Names[:], measured) && slices.Contains(Statistics[:], statistic)
}

// Unit is the unit of a signal's values: its variable's, or 1 for a count; "" for no signal.
func Unit(name string) string {
	measured, statistic, ok := Split(name)
	switch {
	case !ok:
		return ""
	case statistic == "count":
		return "1"
	default:
		return variable.Units[slices.Index(variable.Names[:], measured)]
	}
}
