package selector_test

import (
	"errors"
	"math"
	"testing"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/selector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		has      []int32
		hasNot   []int32
	}{
		{"80", "80", []int32{80}, []int32{79, 81}},
		{"1-50,80", "1-50,80", []int32{1, 25, 50, 80}, []int32{51, 79, 81}},
		{"80,1-50", "1-50,80", nil, nil},
		{"3,1,2", "1-3", nil, nil},
		{"1-10,5-20,21", "1-21", nil, nil},
		{"7,7,7-7", "7", nil, nil},
		{"007", "7", nil, nil},
		{"all", "all", []int32{1, math.MaxInt32}, nil},
		{"3,all", "all", []int32{4}, nil},
		{"1-2147483647", "1-2147483647", []int32{1, math.MaxInt32}, []int32{0, -1}},
		{"2147483647,2147483646", "2147483646-2147483647", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			set, err := selector.Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.in, err)
			}
			if got := set.String(); got != tt.want {
				t.Errorf("Parse(%q) = %s, want %s", tt.in, got, tt.want)
			}
			if set.All() != (tt.want == "all") {
				t.Errorf("Parse(%q).All() = %t", tt.in, set.All())
			}
			low, high := set.Bounds()
			if !set.Contains(low) || !set.Contains(high) || low > 1 && set.Contains(low-1) || high < math.MaxInt32 && set.Contains(high+1) {
				t.Errorf("Parse(%q).Bounds() = %d, %d", tt.in, low, high)
			}
			for _, id := range tt.has {
				if !set.Contains(id) {
					t.Errorf("Parse(%q) lacks %d", tt.in, id)
				}
			}
			for _, id := range tt.hasNot {
				if set.Contains(id) {
					t.Errorf("Parse(%q) has %d", tt.in, id)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", ",", "1,", ",1", "x", "1-x", "-1", "+1", "1-", "5-1", "0", "0-3", "1-+3", "1--3", "1-2-3",
		"2147483648", "1-2147483648", "99999999999", "1 ", " 1", "ALL", "1.5", "1e3", "all-3", "٣",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if set, err := selector.Parse(in); !errors.Is(err, selector.ErrMalformed) {
				t.Errorf("Parse(%q) = %v, %v; want ErrMalformed", in, set, err)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt32
	for in, want := range map[string]map[int32]int32{ // 0: none
		"all":                   {0: 1, 1: 2, 7: 8, most - 1: most, most: 0},
		"3":                     {0: 3, 2: 3, 3: 0, most: 0},
		"2-4,80":                {0: 2, 1: 2, 2: 3, 4: 80, 79: 80, 80: 0},
		"2147483640-2147483647": {0: 2147483640, most - 1: most, most: 0},
	} {
		set, err := selector.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		for after, id := range want {
			if got, ok := set.Next(after); got != id || ok != (id > 0) {
				t.Errorf("%s after %d: got %d, %t, want %d", in, after, got, ok, id)
			}
		}
	}
	if id, ok := (selector.Set{}).Next(0); ok {
		t.Errorf("of the empty set: got %d", id)
	}
}

func TestZeroAndAll(t *testing.T) {
	t.Parallel()
	var zero selector.Set
	if low, high := zero.Bounds(); low <= high {
		t.Errorf("the empty set is bounded by %d and %d", low, high)
	}
	if zero.All() || zero.Contains(1) || zero.String() != "" {
		t.Errorf("the zero Set is %q", zero)
	}
	if got := selector.All().String(); got != "all" {
		t.Errorf("All() = %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1-50,80", "all", "5-1", "", "1-2147483647,3"} {
		f.Add(s, int32(3))
	}
	f.Fuzz(func(t *testing.T, s string, id int32) {
		set, err := selector.Parse(s)
		if err != nil {
			return
		}
		again, err := selector.Parse(set.String())
		if err != nil || again.String() != set.String() || again.Contains(id) != set.Contains(id) {
			t.Fatalf("Parse(%q) = %q, again %q, %v", s, set, again, err)
		}
	})
}
