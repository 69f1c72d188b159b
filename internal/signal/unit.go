package signal

import (
	"slices"
	"strings"
)

// Split takes a signal's name apart; ok is false for one that is not of Names.
func Split(name string) (variable, statistic string, ok bool) {
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		variable, statistic = name[:i], name[i+1:]
	}
	return variable, statistic, slices.Contains(Variables[:], variable) && slices.Contains(Statistics[:], statistic)
}

// Unit is that of a signal's values: its variable's, or 1 for a count; "" for a
// name that is not of Names.
func Unit(name string) string {
	variable, statistic, ok := Split(name)
	switch {
	case !ok:
		return ""
	case statistic == "count":
		return "1"
	default:
		return Units[slices.Index(Variables[:], variable)]
	}
}
