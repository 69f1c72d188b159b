package check

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/checkrule"
)

// The places of the variables that checks know more of than a name.
const (
	windSpeed = variable.WindSpeed
	power     = variable.Power
)

const variables = variable.Count

// subject is a check of a variable.
type subject struct {
	check    Name
	variable string
}

// Rules say how each check treats each variable.
type Rules struct{ rules map[subject]checkrule.Rule }

// NewRules returns the default rules with set in the place of those that it
// names. Rules of checks or variables that there are not are left out.
func NewRules(set []checkrule.Rule) Rules {
	rules := map[subject]checkrule.Rule{}
	for _, r := range checkrule.Defaults() {
		rules[subject{Name(r.Check), r.Variable}] = r
	}
	for _, r := range set {
		s := subject{Name(r.Check), r.Variable}
		if _, known := rules[s]; known {
			rules[s] = r
		}
	}
	return Rules{rules}
}

// Made tells whether a check is made of a variable at all.
func (r Rules) Made(check Name, variable string) bool {
	rule, known := r.rules[subject{check, variable}]
	return known && rule.Severity != enum.SeverityOff
}

// subjects are the checks that are made, by name, then variable.
func (r Rules) subjects() []subject {
	var made []subject
	for _, d := range checkrule.Defaults() {
		if r.Made(Name(d.Check), d.Variable) {
			made = append(made, subject{Name(d.Check), d.Variable})
		}
	}
	return made
}

// limits are the lowest and the highest reading allowed of each variable.
func (r Rules) limits() (low, high [variables]float64) {
	for i, name := range variable.Names {
		low[i], high[i] = math.Inf(-1), math.Inf(1)
		if rule := r.rules[subject{Range, name}]; r.Made(Range, name) {
			if !math.IsNaN(rule.Low) {
				low[i] = rule.Low
			}
			if !math.IsNaN(rule.High) {
				high[i] = rule.High
			}
		}
	}
	return low, high
}

// interval writes the limits of a variable, as [0, 60] m/s.
func (r Rules) interval(place int) string {
	low, high := r.limits()
	return fmt.Sprintf("[%s, %s] %s", number(low[place]), number(high[place]), variable.Units[place])
}

// number writes a reading with the digits that it has.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// place is where a variable stands; -1 for "".
func place(name string) int { return slices.Index(variable.Names[:], name) }
