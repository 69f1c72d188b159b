// Package selector reads the choice of turbines that clients and commands
// make: ids, ranges of ids with both ends, or all, as in "1-50,80". A range is
// kept as its ends, never spelled out, so that 1-2147483647 costs nothing.
package selector

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Allowed says in words what an item of a selector may be.
const Allowed = "an id (80), a range of ids with the lower end first (1-50) or all; ids are 1 to 2147483647"

// ErrMalformed is wrapped by every error of Parse.
var ErrMalformed = errors.New("not " + Allowed)

// A Set is a set of turbine ids. The zero Set is empty.
type Set struct {
	all    bool
	ranges []span // sorted, apart from one another by at least one id
}

// span is a range of ids with both ends.
type span struct{ lo, hi int32 }

// All returns the set of every turbine.
func All() Set { return Set{all: true} }

// Parse reads a comma-separated list, of which one "all" makes all. The error names a faulty item.
func Parse(s string) (Set, error) {
	var set Set
	for item := range strings.SplitSeq(s, ",") {
		if item == "all" {
			set.all = true
			continue
		}
		r, err := parseSpan(item)
		if err != nil {
			return Set{}, err
		}
		set.ranges = append(set.ranges, r)
	}
	if set.all {
		return All(), nil
	}
	set.ranges = merge(set.ranges)
	return set, nil
}

func parseSpan(item string) (span, error) {
	first, last, isRange := strings.Cut(item, "-")
	lo, ok := parseID(first)
	hi := lo
	if ok && isRange {
		hi, ok = parseID(last)
	}
	if !ok || lo > hi {
		return span{}, fmt.Errorf("turbine selector %q is %w", item, ErrMalformed)
	}
	return span{lo, hi}, nil
}

// parseID reads digits alone: strconv would take a sign too.
func parseID(s string) (int32, bool) {
	if s == "" || len(s) > 10 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	id, err := strconv.ParseInt(s, 10, 32)
	return int32(id), err == nil && id > 0
}

// merge sorts the ranges and joins those that overlap or touch.
func merge(ranges []span) []span {
	slices.SortFunc(ranges, func(a, b span) int { return int(int64(a.lo) - int64(b.lo)) })
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && int64(r.lo) <= int64(merged[n-1].hi)+1 {
			merged[n-1].hi = max(merged[n-1].hi, r.hi)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// All reports whether the set is every turbine.
func (s Set) All() bool { return s.all }

// Bounds are the lowest and the highest id of the set; of the empty one the lowest is higher.
func (s Set) Bounds() (low, high int32) {
	switch {
	case s.all:
		return 1, math.MaxInt32
	case len(s.ranges) == 0:
		return 1, 0
	}
	return s.ranges[0].lo, s.ranges[len(s.ranges)-1].hi
}

// Contains reports whether the set has the turbine.
func (s Set) Contains(id int32) bool {
	if s.all {
		return true
	}
	_, found := slices.BinarySearchFunc(s.ranges, id, func(r span, id int32) int {
		if r.hi < id {
			return -1
		}
		return max(0, cmp.Compare(r.lo, id))
	})
	return found
}

// Next is the lowest id of the set above one.
func (s Set) Next(after int32) (id int32, ok bool) {
	ranges := s.ranges
	if s.all {
		ranges = []span{{1, math.MaxInt32}}
	}
	for _, r := range ranges {
		if r.hi > after {
			return max(r.lo, after+1), true
		}
	}
	return 0, false
}

// String returns the shortest text that Parse reads as the same set.
func (s Set) String() string {
	if s.all {
		return "all"
	}
	items := make([]string, len(s.ranges))
	for i, r := range s.ranges {
		items[i] = strconv.Itoa(int(r.lo))
		if r.hi > r.lo {
			items[i] += "-" + strconv.Itoa(int(r.hi))
		}
	}
	return strings.Join(items, ",")
}
