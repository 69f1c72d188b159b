package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffer(t *testing.T) {
	t.Parallel()
	const approximate = 1 // the signal whose values need not be equal
	side := func(values ...value) next {
		return func() (value, bool, error) {
			if len(values) == 0 {
				return value{}, false, nil
			}
			v := values[0]
			values = values[1:]
			return v, true, nil
		}
	}
	a := value{turbine: 1, signal: 1, micros: 10, value: 5}
	b := value{turbine: 1, signal: 2, micros: 10, value: 5}
	c := value{turbine: 2, signal: 1, micros: 10, value: 5}
	with := func(v value, x float64) value { v.value = x; return v }
	for name, test := range map[string]struct {
		ours, theirs []value
		keys         int64
		want         []value // the keys that differ, with our value or theirs
	}{
		"nothing":               {},
		"equal":                 {[]value{a, b, c}, []value{a, b, c}, 3, nil},
		"close enough":          {[]value{with(a, 5+4e-9)}, []value{a}, 1, nil},
		"nothing but rounding":  {[]value{with(a, -4e-17)}, []value{with(a, 4e-17)}, 1, nil},
		"not close enough":      {[]value{with(a, 5+6e-9)}, []value{a}, 1, []value{with(a, 5+6e-9)}},
		"close but not equal":   {[]value{with(b, 5+4e-9)}, []value{b}, 1, []value{with(b, 5+4e-9)}},
		"one that ours lacks":   {[]value{a, c}, []value{a, b, c}, 3, []value{b}},
		"one that only we have": {[]value{a, b, c}, []value{b, c}, 3, []value{a}},
		"the end is missing":    {[]value{a}, []value{a, b, c}, 3, []value{b, c}},
		"ours is empty":         {nil, []value{a}, 1, []value{a}},
	} {
		var got []value
		keys, err := differ(side(test.ours...), side(test.theirs...), func(signal int32) bool { return signal != approximate },
			func(d difference) { got = append(got, d.key()) })
		if err != nil || keys != test.keys {
			t.Errorf("%s: got %d keys and %v, want %d", name, keys, err, test.keys)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(value{})); diff != "" {
			t.Errorf("%s: what differs (-want +got):\n%s", name, diff)
		}
	}
}
