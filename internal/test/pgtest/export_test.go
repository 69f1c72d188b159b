package pgtest

import "github.com/peterldowns/pgtestdb"

func ConfigOf(admin string) (pgtestdb.Config, error) { return configOf(admin) }

func Sweep(base string) error { return sweep(base) }
