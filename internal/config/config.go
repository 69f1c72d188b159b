// Package config reads what the commands are told by their surroundings: the
// environment first, a file .env in the working directory second, and flags
// over both. Each command has one struct, made of the pieces in setting.go.
//
// The process environment is never changed. A variable that is set to nothing
// counts as unset, as in a compose file that passes one through. What is wrong
// is reported all at once, and a password never appears in a message.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// Vars are the variables that a command may read, and where each was found.
type Vars struct {
	value  map[string]string
	origin map[string]string
}

// Load merges environ, entries NAME=value as os.Environ gives them, over the
// file .env in dir; it need not be there. A .env that can't be read is an
// error that quotes nothing of it.
func Load(environ []string, dir string) (*Vars, error) {
	v := &Vars{value: map[string]string{}, origin: map[string]string{}}
	text, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	file, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("read .env: %s: want NAME=value, a comment or nothing", faultyLine(text))
	}
	for name, value := range file {
		if value != "" {
			v.Set(name, value, name+" in .env")
		}
	}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			v.Set(name, value, name)
		}
	}
	return v, nil
}

// faultyLine finds where the parser stopped: its own message quotes the rest
// of the file, passwords and all.
func faultyLine(text []byte) string {
	lines := bytes.SplitAfter(text, []byte("\n"))
	for n := range lines {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n+1], nil)); err != nil {
			return fmt.Sprintf("line %d", n+1)
		}
	}
	return "the file"
}

// Set overrides a variable; origin is how a message names it, such as a flag.
func (v *Vars) Set(name, value, origin string) {
	v.value[name], v.origin[name] = value, origin
}

// Parse fills a command's struct and validates it. The error is an *Error.
func Parse[T any, P interface {
	*T
	Validate() error
}](v *Vars) (T, error) {
	var c T
	if err := env.ParseWithOptions(&c, env.Options{Environment: maps.Clone(v.value)}); err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	err := P(&c).Validate()
	if bad, ok := errors.AsType[*Error](err); ok {
		for i, f := range bad.Faults {
			if origin, ok := v.origin[f.Variable]; ok {
				bad.Faults[i].Origin = origin
			}
		}
	}
	return c, err
}

// A Variable describes a field of a command's struct.
type Variable struct {
	Name    string // as in the environment
	Default string
	Kind    string // what its value is, in a word for the help
	Help    string // one line
}

// Variables lists what a command's struct reads, in the order of its fields.
func Variables[T any]() []Variable {
	var out []Variable
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, ok := f.Tag.Lookup("env"); ok {
			out = append(out, Variable{Name: name, Default: f.Tag.Get("envDefault"), Kind: f.Tag.Get("kind"), Help: f.Tag.Get("help")})
		}
	}
	return out
}

// A Fault is one variable whose value can't be used.
type Fault struct {
	Variable string
	Origin   string // where the value came from; the variable's name when empty
	Value    string // safe to show
	Want     string // what is allowed
}

// String is the fault as a sentence.
func (f Fault) String() string {
	origin := f.Origin
	if origin == "" {
		origin = f.Variable
	}
	return fmt.Sprintf("%s is %q: want %s", origin, f.Value, f.Want)
}

// An Error is all that is wrong with a configuration.
type Error struct{ Faults []Fault }

// Error returns a line each fault.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Join makes an *Error of the faults of a struct's pieces, nil of none.
func Join(pieces ...[]Fault) error {
	faults := slices.Concat(pieces...)
	if len(faults) == 0 {
		return nil
	}
	return &Error{faults}
}
