// Package config reads what the commands are told by their surroundings: the
// environment first, a file .env in the working directory second, and flags
// over both. Each command has one struct, made of the pieces in setting.go, whose
// tags say all that there is to a variable.
//
// The process environment is never changed. A variable that is set to nothing
// counts as unset, as in a compose file that passes one through. What is wrong
// is reported all at once, and a password never appears in a message.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/server/httpserve"
)

// Vars are the variables that a command may read, and where each was found.
type Vars struct {
	flags   map[string]string
	environ place
	file    place
	origin  map[string]string // how a message names a variable, if not by its name
}

// A place is where variables are set: the environment, or .env.
type place struct {
	where  string // behind a variable's name in a message
	value  map[string]string
	broken map[string]*Error // by variable, whose value can't be told
}

// Load merges environ, entries NAME=value, over the file .env in dir, if there is one. The error of
// one that can't be read quotes nothing of it.
func Load(environ []string, dir string) (*Vars, error) {
	v := &Vars{
		flags: map[string]string{}, origin: map[string]string{},
		environ: place{value: map[string]string{}},
		file:    place{where: " in .env", value: map[string]string{}, broken: map[string]*Error{}},
	}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			v.environ.set(name, value)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	file, err := readDotenv(text, v.environ.value)
	if err != nil {
		return nil, fmt.Errorf("read .env: %w", err)
	}
	for name, value := range file.value {
		if to, ok := file.broken[name]; ok {
			v.file.broken[name] = &Error{
				Variable: name, Origin: name + v.file.where, Found: "refers to ${" + to + "}, which is not set or empty",
				Want: to + " in the environment or above, ${" + to + ":-default}, or a $ that is meant as such in single quotes",
			}
			continue
		}
		v.file.set(name, value)
	}
	return v, nil
}

func (p place) set(name, value string) {
	if value = trim(name, value); value != "" {
		p.value[name] = value
	}
}

// trim takes off the blanks and line ends around a value; a password may have blanks there.
func trim(name, value string) string {
	if strings.HasSuffix(name, "PASSWORD") {
		return strings.TrimRight(value, "\r\n")
	}
	return strings.TrimSpace(value)
}

// Set overrides a variable; origin is how a message names it, such as a flag.
func (v *Vars) Set(name, value, origin string) {
	v.flags[name], v.origin[name] = trim(name, value), origin
}

// find is the value of a variable that stands for itself.
func (v *Vars) find(name string) (string, error) {
	if value, ok := v.flags[name]; ok {
		return value, nil
	}
	if value, ok := v.environ.value[name]; ok {
		return value, nil
	}
	if fault, ok := v.file.broken[name]; ok {
		return "", fault
	}
	value, ok := v.file.value[name]
	if ok {
		v.origin[name] = name + v.file.where
	}
	return value, nil
}

// secret is the value of a variable, or what the file that its _FILE variable names holds.
func (v *Vars) secret(name string) (string, error) {
	value, err := v.find(name)
	file := name + "_FILE"
	path, fault := v.find(file)
	if err = errors.Join(err, fault); path == "" || err != nil {
		return value, err
	}
	return held(name, value, path, v.origin[file])
}

// held reads the file that the _FILE variable of a name names; value is the variable's own.
func held(name, value, path, origin string) (string, error) {
	fault := &Error{Variable: name + "_FILE", Origin: origin, Value: path}
	if value != "" {
		fault.Why, fault.Want = name+" is set as well", "one of the two"
		return "", fault
	}
	text, err := os.ReadFile(path)
	if err != nil {
		fault.Why, fault.Want = reason(err), "the path of a file that holds what "+name+" would"
		return "", fault
	}
	return trim(name, string(text)), nil
}

// Parse fills a command's struct and checks each value. The error joins an *Error each fault.
func Parse[T any](v *Vars) (T, error) {
	var c T
	var faults []error
	for _, variable := range Variables[T]() {
		find := v.find
		if strings.HasSuffix(variable.Name, "_DB_URL") {
			find = func(name string) (string, error) { return v.database(name, variable.Default) }
		}
		if variable.want == "secret" || variable.want == "webhook" {
			find = v.secret
		}
		value, err := find(variable.Name)
		value = cmp.Or(value, variable.Default)
		if fault := variable.check(value); fault != nil && err == nil && value != "" {
			fault.Origin = v.origin[variable.Name]
			err = fault
		}
		faults = append(faults, err)
		variable.assign(reflect.ValueOf(&c).Elem().FieldByIndex(variable.field).Addr().Interface(), value)
	}
	return c, errors.Join(faults...)
}

// assign puts a value into a field, which stays zero if check refuses the value.
func (v Variable) assign(field any, value string) {
	switch field := field.(type) {
	case *string:
		*field = value
	case *int:
		*field, _ = strconv.Atoi(value)
	case **time.Time:
		if day, err := time.Parse(time.DateOnly, value); err == nil {
			*field = &day
		}
	case *time.Duration:
		if v.want == "days" {
			days, _ := strconv.Atoi(value)
			*field = time.Duration(days) * 24 * time.Hour
		} else {
			*field, _ = time.ParseDuration(value)
		}
	}
}

// A Variable describes a field of a command's struct.
type Variable struct {
	Name    string // as in the environment
	Default string
	Kind    string // what its value is, in a word for the help
	Help    string // one line
	Secret  bool   // no flag: a command line can be seen by others

	want  string // which check of its value, or the values that it may have
	least int    // of a number
	field []int  // its place in the struct
}

// Choices are the values that a variable may have, where they can be listed.
func (v Variable) Choices() []string {
	if !strings.Contains(v.want, ", ") {
		return nil
	}
	return strings.Split(v.want, ", ")
}

// Variables lists what a command's struct reads, in the order of its fields.
func Variables[T any]() []Variable {
	var out []Variable
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, ok := f.Tag.Lookup("env"); ok {
			least, _ := strconv.Atoi(f.Tag.Get("least")) // 0 without one
			out = append(out, Variable{
				Name: name, Default: f.Tag.Get("default"), Kind: f.Tag.Get("kind"), Help: f.Tag.Get("help"), Secret: f.Tag.Get("secret") != "",
				want: f.Tag.Get("want"), least: least, field: f.Index,
			})
		}
	}
	return out
}

// An Error is one variable whose value can't be used.
type Error struct {
	Variable string
	Origin   string // where the value came from; the variable's name when empty
	Value    string // safe to show
	Found    string // what was found, when the value doesn't say it
	Why      string // what is wrong with the value, when that isn't plain
	Want     string // what is allowed
}

// Error is the fault as a sentence.
func (e *Error) Error() string {
	found := cmp.Or(e.Found, fmt.Sprintf("is %q", e.Value))
	if e.Why != "" {
		found += " (" + e.Why + ")"
	}
	return fmt.Sprintf("%s %s: want %s", cmp.Or(e.Origin, e.Variable), found, e.Want)
}

// maxDays is the most that a number of days may be, as over HTTP.
const maxDays = 20_000

const wantURL = "a URL such as postgres://user:password@localhost:5432/database" //nolint:gosec // no password, the word

func (v Variable) check(value string) *Error {
	ok, fault := true, &Error{Variable: v.Name, Value: value}
	switch v.want {
	case "", "secret":
	case "database":
		if _, err := pgpool.Parse(value); err != nil {
			ok, fault.Value, fault.Why = false, Redact(value), err.Error()
		}
		fault.Want = wantURL
	case "service":
		u, web := webURL(value)
		ok = web && u.RawQuery == "" && u.Fragment == ""
		fault.Value, fault.Want = Redact(value), "an http or https URL such as "+cmp.Or(v.Default, "https://login.example.org")
	case "webhook":
		u, web := webURL(value)
		ok = web && u.Fragment == ""
		// Path and query of a webhook are often all that keeps others from using it.
		fault.Value, fault.Found = "", "is not one that events can be sent to (not shown, it may hold a secret)"
		fault.Want = "an http or https URL such as https://alerts.example.org/delfos?farm=north"
	case "address":
		_, port, err := net.SplitHostPort(value)
		ok = err == nil && (port == "0" || isPort(port))
		example := cmp.Or(v.Default, "127.0.0.1:9464")
		fault.Want = "HOST:PORT such as " + example + ", or " + example[strings.LastIndex(example, ":"):] + " for every address"
	case "days", "number":
		i, err := strconv.Atoi(value)
		ok = err == nil && i >= v.least && i <= maxDays
		fault.Want = "a whole number from " + strconv.Itoa(v.least) + " to " + strconv.Itoa(maxDays)
	case "day":
		day, err := time.Parse(time.DateOnly, value)
		ok = err == nil && !day.Before(dates.Earliest())
		fault.Want = "a day such as 2025-01-31, not before " + dates.Earliest().Format(time.DateOnly)
	case "time":
		t, err := time.ParseDuration(value)
		ok = err == nil && t >= 0
		fault.Want = "a time such as 10s, or 0"
	case "every":
		t, err := time.ParseDuration(value)
		ok = err == nil && (t == 0 || t >= time.Minute)
		fault.Want = "a time of at least 1m such as 10m, or 0"
	case "names":
		ok = !slices.ContainsFunc(items(value), func(name string) bool {
			_, err := netip.ParseAddr(name)
			return err != nil && strings.ContainsAny(name, ":/*@[]")
		})
		fault.Want = "names such as delfos.example.org, without scheme, port or path, separated by commas"
	case "origins":
		ok = !slices.ContainsFunc(items(value), func(origin string) bool { return !isOrigin(origin) })
		if strings.Contains(value, "*") {
			fault.Why = "pages of everybody could read all that this server's clients can reach"
		}
		fault.Want = "origins such as https://notebook.example.org, each scheme and host without a path, separated by commas"
	case "path":
		_, ok = httpserve.ParseBasePath(value)
		fault.Want = "a path of letters, digits and -._~ that begins with a slash, such as /delfos"
	case "networks":
		ok = !slices.ContainsFunc(items(value), func(item string) bool {
			_, is := network(item)
			return !is
		})
		fault.Want = "IP addresses and networks such as 10.0.0.7, 10.1.0.0/16, separated by commas"
	default:
		ok = slices.Contains(v.Choices(), strings.ToLower(value))
		fault.Want = "one of " + v.want
	}
	if ok {
		return nil
	}
	return fault
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
