package checkrule_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/checkrule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaults(t *testing.T) {
	t.Parallel()
	rules := checkrule.Defaults()
	order := func(a, b checkrule.Rule) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Variable, b.Variable))
	}
	for i, r := range rules {
		if i > 0 && order(rules[i-1], r) >= 0 {
			t.Errorf("%s of %q comes after %s of %q", r.Check, r.Variable, rules[i-1].Check, rules[i-1].Variable)
		}
		if r.Variable != "" && !slices.Contains(variable.Names[:], r.Variable) {
			t.Errorf("%s: there is no variable %q", r.Check, r.Variable)
		}
		// A variable of which nobody has said what it means has no limits.
		if open := math.IsNaN(r.Low) && math.IsNaN(r.High); !open && (r.Check != "range" || !(r.Low < r.High)) {
			t.Errorf("%s of %q has the limits %v and %v", r.Check, r.Variable, r.Low, r.High)
		}
	}
	for _, want := range []checkrule.Rule{
		{"range", "ambient_temperature", enum.SeverityWarn, -50, 60},
		{"range", "power", enum.SeverityWarn, -500, 20_000},
		{"range", "wind_speed", enum.SeverityWarn, 0, 60},
	} {
		if !slices.Contains(rules, want) {
			t.Errorf("there is no rule %v", want)
		}
	}
}

// A new variable is looked at for gaps, for sensors that are stuck, and for
// readings outside the limits that somebody may set.
func TestEveryVariableHasRules(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"completeness", "frozen", "range"} {
		for _, variable := range variable.Names {
			if !slices.ContainsFunc(checkrule.Defaults(), func(r checkrule.Rule) bool { return r.Check == name && r.Variable == variable }) {
				t.Errorf("%s has no rule for %s", name, variable)
			}
		}
	}
}
