// Package turbine makes, changes, lists and removes the turbines of the source, by what
// a person says of them as text. The attributes and their types are gen/attribute's;
// what they may be, the CHECKs of schema/source.sql decide.
//
//	turbine.go  the transaction, and the database's rules in words
//	row.go      what somebody says of a turbine, by flags or in a file
package turbine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/attribute"
	"github.com/delfos/delfos/gen/importdb"
)

// Attributes are what can be said of a turbine: the columns behind its id.
func Attributes() []attribute.Column { return attribute.Columns[1:] }

// Names are theirs.
func Names() []string {
	var names []string
	for _, column := range Attributes() {
		names = append(names, column.Name)
	}
	return names
}

// A Turbine is what the source has of a turbine, in JSON by attribute, as GET /turbines answers.
type Turbine map[string]json.RawMessage

// Text writes an attribute as Write takes it; it is "" if it is not known.
func (t Turbine) Text(column attribute.Column) string {
	raw := string(t[column.Name])
	if raw == "" || raw == "null" {
		return ""
	}
	switch column.Type {
	case typeInterval:
		seconds, _ := strconv.ParseInt(raw, 10, 32) // the query casts it to an integer
		text := (time.Duration(seconds) * time.Second).String()
		for _, unit := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(text, unit) {
				text = text[:len(text)-2]
			}
		}
		return text
	case typeText, typeDate:
		var text string
		_ = json.Unmarshal(t[column.Name], &text) // a string
		return text
	default:
		return raw
	}
}

// A Change is what Write did with a turbine.
type Change struct {
	Result  string  `json:"result"` // Created, Changed or Unchanged
	Turbine Turbine `json:"turbine"`
	// Before is nil if the turbine is new.
	Before Turbine `json:"-"`
}

// The results.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
)

// An Error is a fault in what somebody says of turbines, in one line.
type Error string

func (e Error) Error() string { return string(e) }

func errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// List returns all turbines by id.
func List(ctx context.Context, db importdb.DBTX) ([]Turbine, error) {
	rows, err := importdb.New(db).DescribeTurbines(ctx)
	turbines := make([]Turbine, len(rows))
	for i := 0; err == nil && i < len(rows); i++ {
		err = json.Unmarshal(rows[i], &turbines[i])
	}
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	return turbines, nil
}

// Write makes and changes turbines, all or none. A fault in a row is an Error.
func Write(ctx context.Context, pool *pgxpool.Pool, rows []Row) (changes []Change, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		changes, err = write(ctx, tx, rows)
		return err
	})
	return changes, err
}

func write(ctx context.Context, tx pgx.Tx, rows []Row) ([]Change, error) {
	queries := importdb.New(tx)
	if err := queries.LockTurbines(ctx); err != nil {
		return nil, fmt.Errorf("lock the turbines: %w", err)
	}
	before, err := byID(ctx, tx)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	if err := queries.EnsureTurbines(ctx, ids); err != nil {
		return nil, fmt.Errorf("create turbines: %w", err)
	}
	for _, row := range rows {
		attributes, err := json.Marshal(row.values)
		if err == nil {
			err = queries.ChangeTurbine(ctx, importdb.ChangeTurbineParams{ID: row.ID, Attributes: attributes})
		}
		if err != nil {
			return nil, row.refused(err, before[row.ID])
		}
	}
	after, err := byID(ctx, tx)
	if err != nil {
		return nil, err
	}
	if err := checkNames(rows, before, after); err != nil {
		return nil, err
	}
	changes := make([]Change, len(rows))
	for i, row := range rows {
		c := Change{Result: Unchanged, Turbine: after[row.ID], Before: before[row.ID]}
		for _, column := range Attributes() {
			if c.Before == nil {
				c.Result = Created
			} else if c.Before.Text(column) != c.Turbine.Text(column) {
				c.Result = Changed
			}
		}
		changes[i] = c
	}
	return changes, nil
}

func byID(ctx context.Context, tx pgx.Tx) (map[int32]Turbine, error) {
	turbines, err := List(ctx, tx)
	found := make(map[int32]Turbine, len(turbines))
	for _, t := range turbines {
		found[t.id()] = t
	}
	return found, err
}

func (t Turbine) id() int32 {
	id, _ := strconv.ParseInt(string(t[columnID]), 10, 32) // an integer of the database
	return int32(id)
}

// checkNames refuses a new name that another turbine has. Former doubles may stay so.
func checkNames(rows []Row, before, after map[int32]Turbine) error {
	const name = "name"
	for _, row := range rows {
		text := string(after[row.ID][name])
		if string(before[row.ID][name]) == text {
			continue
		}
		for id, t := range after {
			if id != row.ID && string(t[name]) == text {
				return errorf("%s is %s: turbine %d has this name; want another", row.place(name), text, id)
			}
		}
	}
	return nil
}

// Remove removes a turbine that has no samples.
func Remove(ctx context.Context, pool *pgxpool.Pool, id int32) error {
	removed, err := importdb.New(pool).RemoveTurbine(ctx, id)
	pg, _ := errors.AsType[*pgconn.PgError](err)
	switch {
	case pg != nil && pg.Code == pgerrcode.ForeignKeyViolation:
		return errorf("turbine %d has samples, and is not removed: delete its rows of the table data first", id)
	case err != nil:
		return fmt.Errorf("remove turbine %d: %w", id, err)
	case removed == 0:
		return errorf("there is no turbine %d: `delfos turbine list` shows those that there are", id)
	}
	return nil
}

type rule struct {
	columns []string
	want    string
}

func rules() map[string]rule {
	of := func(want string, columns ...string) rule { return rule{columns, want} }
	const above = "want a number above 0"
	return map[string]rule{
		"turbine_name_not_empty":             of("want a name", "name"),
		"turbine_sample_interval_within_day": of("want 1s to 24h", "sample_interval"),
		"turbine_sample_interval_whole":      of("want whole seconds", "sample_interval"),
		"turbine_rated_power_positive":       of(above, "rated_power"),
		"turbine_cut_in_positive":            of(above, "cut_in"),
		"turbine_cut_out_positive":           of(above, "cut_out"),
		"turbine_cut_ordered":                of("want cut_in below cut_out", "cut_in", "cut_out"),
		"turbine_rotor_diameter_positive":    of(above, "rotor_diameter"),
		"turbine_hub_height_positive":        of(above, "hub_height"),
		"turbine_altitude_on_earth":          of("want -500 to 9000", "altitude"),
		"turbine_latitude_on_earth":          of("want -90 to 90", "latitude"),
		"turbine_longitude_on_earth":         of("want -180 to 180", "longitude"),
		"turbine_days_ordered":               of("want commissioned not after decommissioned", "commissioned", "decommissioned"),
	}
}

// refused says which rule of the database a row breaks, and stored what it has.
func (r Row) refused(err error, stored Turbine) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Code != pgerrcode.CheckViolation {
		return fmt.Errorf("change turbine %d: %w", r.ID, err)
	}
	broken, known := rules()[pg.ConstraintName]
	if !known {
		return errorf("turbine %d breaks the rule %s of the database", r.ID, pg.ConstraintName)
	}
	var found []string
	for _, column := range broken.columns {
		if text, given := r.texts[column]; given {
			found = append(found, fmt.Sprintf("%s is %q", r.place(column), text))
		} else {
			found = append(found, fmt.Sprintf("%s is %s", column, stored[column]))
		}
	}
	return errorf("%s: %s", strings.Join(found, ", "), broken.want)
}
