package turbine

import (
	"maps"
	"slices"
)

func RuleNames() []string { return slices.Sorted(maps.Keys(rules())) }
