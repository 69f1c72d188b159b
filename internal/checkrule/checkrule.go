// Package checkrule holds the default rules of the data checks: how a check treats a
// variable. They are reference rows of the target's table check_rule. The checks
// themselves are in etl/check.
package checkrule

import (
	"cmp"
	"math"
	"slices"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
)

// Rule is how a check treats a variable, "" if the check has none.
type Rule struct {
	Check, Variable string
	Severity        enum.Severity
	// Low and High are allowed limits in the variable's unit; NaN for no limit.
	Low, High float64
}

// Defaults returns every rule that there is, by check, then variable.
func Defaults() []Rule {
	none := math.NaN()
	rules := []Rule{
		{"completeness", "", enum.SeverityWarn, none, none},
		{"digest", "", enum.SeverityWarn, none, none},
		{"order", "", enum.SeverityBlock, none, none},
		{"power_curve", variable.Names[variable.Power], enum.SeverityWarn, none, none},
	}
	for i, name := range variable.Names {
		low, high := limits(i)
		rules = append(rules,
			Rule{"completeness", name, enum.SeverityWarn, none, none},
			Rule{"frozen", name, enum.SeverityWarn, none, none},
			Rule{"range", name, enum.SeverityWarn, low, high},
		)
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Variable, b.Variable)) })
	return rules
}

// limits are what an instrument can measure: no anemometer has seen 60 m/s and no
// rotor makes more than 20 MW. A turbine at rest consumes, so power may be negative.
// Another variable has no limits until somebody sets them.
func limits(place int) (low, high float64) {
	switch place {
	case variable.WindSpeed:
		return 0, 60
	case variable.Power:
		return -500, 20_000
	case variable.AmbientTemperature:
		return -50, 60
	default:
		return math.NaN(), math.NaN()
	}
}
