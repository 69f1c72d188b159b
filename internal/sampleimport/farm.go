package sampleimport

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/delfos/delfos/gen/importdb"
)

// defaultTurbine is the turbine of a file that names none.
const defaultTurbine = 1

// A farm finds turbines. New names get ids when all rows are staged; until then the
// n-th of them is -n.
type farm struct {
	told   int32 // the turbine of files without one, 0 for none
	byName map[string][]int32
	added  []string
	number map[string]int32 // of those added
}

func newFarm(known []importdb.Turbine, turbine string) (*farm, error) {
	f := &farm{byName: map[string][]int32{}, number: map[string]int32{}}
	for _, t := range known {
		f.byName[t.Name] = append(f.byName[t.Name], t.ID)
	}
	if turbine == "" {
		return f, nil
	}
	read := f.named
	if strings.Trim(turbine, "0123456789") == "" {
		read = turbineID
	}
	var err error
	if f.told, err = read(value{kind: kindText, text: turbine}); err != nil {
		return nil, fmt.Errorf("--turbine: %w", err)
	}
	return f, nil
}

func (f *farm) named(v value) (int32, error) {
	name := v.word()
	if name == "" {
		return 0, errors.New("the turbine's name is missing")
	}
	switch ids := f.byName[name]; {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return 0, fmt.Errorf("%s is the name of turbines %d and %d; a column %s or --turbine tells them apart", quote(name), ids[0], ids[1], columnTurbineID)
	}
	if f.number[name] == 0 {
		f.added = append(f.added, strings.Clone(name))
		f.number[f.added[len(f.added)-1]] = -int32(len(f.added))
	}
	return f.number[name], nil
}

func turbineID(v value) (int32, error) {
	id, err := strconv.ParseInt(v.word(), 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%s is not a turbine's id from 1 to %d; a column that holds names is mapped to %s", quote(v.word()), math.MaxInt32, columnTurbine)
	}
	return int32(id), nil
}
