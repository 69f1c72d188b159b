// Package checkrule holds how the data checks treat each variable unless
// somebody says otherwise: the target's reference rows of check_rule. What the
// checks do stands in etl/check.
package checkrule

import "math"

// Severity is what a check does with what it finds.
type Severity string

// The severities, as check_rule writes them.
const (
	// Off: the check is not made.
	Off Severity = "off"
	// Warn: the day is loaded, and doubted.
	Warn Severity = "warn"
	// Block: the day is not loaded; its attempt fails for good.
	Block Severity = "block"
)

// Rule is how a check treats a variable, "" when it is of none.
type Rule struct {
	Check, Variable string
	Severity        Severity
	// Low and High are the limits, both allowed, in the variable's unit; NaN
	// where there is none.
	Low, High float64
}

// Defaults returns every rule that there is, by check, then variable.
//
// The limits are what an instrument can mean at all: no anemometer has seen
// 60 m/s and no rotor makes more than 20 MW. A turbine at rest consumes, so
// power may be negative.
func Defaults() []Rule {
	none := math.NaN()
	return []Rule{
		{"completeness", "", Warn, none, none},
		{"completeness", "ambient_temperature", Warn, none, none},
		{"completeness", "power", Warn, none, none},
		{"completeness", "wind_speed", Warn, none, none},
		{"digest", "", Warn, none, none},
		{"frozen", "ambient_temperature", Warn, none, none},
		{"frozen", "power", Warn, none, none},
		{"frozen", "wind_speed", Warn, none, none},
		{"order", "", Block, none, none},
		{"power_curve", "power", Warn, none, none},
		{"range", "ambient_temperature", Warn, -50, 60},
		{"range", "power", Warn, -500, 20_000},
		{"range", "wind_speed", Warn, 0, 60},
	}
}
