package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/pgrow"
)

// tolerance is how far, relative to the greater, a mean or a deviation may be
// from the baseline's: PostgreSQL's avg and stddev_samp sum as they go and are
// not rounded exactly, and which sums come first is the plan's choice. Least,
// greatest and count have to be equal.
//
// Where readings cancel each other out, PostgreSQL's mean has no digit right
// (4.4e-17 for the exact -4.4e-17, which ours is): below floor, in the unit of
// the reading, any two are alike.
const (
	tolerance = 1e-9
	floor     = 1e-12
)

// maxTold is how many differences an error names.
const maxTold = 3

// A value is a row of either target.
type value struct {
	turbine int32
	signal  int32
	micros  int64
	value   float64
}

// compare is the order of keys.
func (v value) compare(w value) int {
	return cmp.Or(cmp.Compare(v.turbine, w.turbine), cmp.Compare(v.signal, w.signal), cmp.Compare(v.micros, w.micros))
}

// A side's values come one by one, ok until there are no more.
type next func() (v value, ok bool, err error)

// A difference is what stands at a key on either side, nil where nothing does;
// it is valid until the next.
type difference struct{ ours, theirs *value }

func (d difference) key() value {
	if d.ours != nil {
		return *d.ours
	}
	return *d.theirs
}

// differ walks two sides in the order of their keys, calls each with what
// differs, and returns how many keys there were.
func differ(ours, theirs next, exact func(signal int32) bool, each func(difference)) (keys int64, err error) {
	o, more, errOurs := ours()
	t, moreTheirs, errTheirs := theirs()
	for ; more || moreTheirs; keys++ {
		if err := errors.Join(errOurs, errTheirs); err != nil {
			return keys, err
		}
		order := o.compare(t)
		if !moreTheirs {
			order = -1
		} else if !more {
			order = 1
		}
		switch {
		case order < 0:
			each(difference{ours: &o})
		case order > 0:
			each(difference{theirs: &t})
		case !equal(o.value, t.value, exact(o.signal)):
			each(difference{&o, &t})
		}
		if order <= 0 {
			o, more, errOurs = ours()
		}
		if order >= 0 {
			t, moreTheirs, errTheirs = theirs()
		}
	}
	return keys, errors.Join(errOurs, errTheirs)
}

func equal(a, b float64, exact bool) bool {
	return a == b || !exact && math.Abs(a-b) <= max(floor, tolerance*max(math.Abs(a), math.Abs(b)))
}

// sameValues fails unless our target holds what the replaced schema in the
// database at theirs does: the same keys and, up to the tolerance, values.
func (b *bench) sameValues(theirs func() *url.URL) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		defer func() {
			if err != nil {
				err = fmt.Errorf("compare the values: %w", err)
			}
		}()
		left, err := open(ctx, b.target, "public")
		if err != nil {
			return err
		}
		defer left.close(ctx)
		right, err := open(ctx, theirs(), "replaced")
		if err != nil {
			return err
		}
		defer right.close(ctx)
		names := left.names
		if len(names) == 0 || fmt.Sprint(names) != fmt.Sprint(right.names) {
			return fmt.Errorf("ours has the signals %v, the baseline %v", names, right.names)
		}
		exact := func(signal int32) bool {
			return !strings.HasSuffix(names[signal], "_mean") && !strings.HasSuffix(names[signal], "_std")
		}
		var told []string
		different := 0
		keys, err := differ(left.next, right.next, exact, func(d difference) {
			if different++; different <= maxTold {
				told = append(told, fmt.Sprintf("turbine %d, %s, %s: ours %s, the baseline %s", d.key().turbine, names[d.key().signal],
					time.UnixMicro(d.key().micros).UTC().Format(time.RFC3339), text(d.ours), text(d.theirs)))
			}
		})
		switch {
		case err != nil:
			return err
		case keys == 0:
			return errors.New("neither side has any")
		case different > 0:
			return fmt.Errorf("%d of %d differ; %s", different, keys, strings.Join(told, "; "))
		default:
			return nil
		}
	}
}

func text(v *value) string {
	if v == nil {
		return "has none"
	}
	return fmt.Sprintf("%.17g", v.value)
}

// cursor reads the values of one side.
type cursor struct {
	conn  *pgx.Conn
	rows  pgx.Rows
	names map[int32]string // of the signals
}

func open(ctx context.Context, database *url.URL, schema string) (c *cursor, err error) {
	config, err := pgx.ParseConfig(database.String())
	if err != nil {
		return nil, fmt.Errorf("read the URL of %s: %w", database.Path, err)
	}
	config.RuntimeParams["search_path"] = schema
	c = &cursor{names: map[int32]string{}}
	if c.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open %s: %w", database.Path, err)
	}
	defer func() {
		if err != nil {
			c.close(ctx)
		}
	}()
	signals, err := sqlFiles.ReadFile("sql/signals.sql")
	if err != nil {
		return nil, fmt.Errorf("read a query: %w", err)
	}
	rows, err := c.conn.Query(ctx, string(signals))
	if err != nil {
		return nil, fmt.Errorf("read the signals of %s: %w", database.Path, err)
	}
	var id int32
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { c.names[id] = name; return nil }); err != nil {
		return nil, fmt.Errorf("read the signals of %s: %w", database.Path, err)
	}
	values, err := sqlFiles.ReadFile("sql/values.sql")
	if err != nil {
		return nil, fmt.Errorf("read a query: %w", err)
	}
	if c.rows, err = c.conn.Query(ctx, string(values), pgx.QueryResultFormats{pgx.BinaryFormatCode}); err != nil {
		return nil, fmt.Errorf("read the values of %s: %w", database.Path, err)
	}
	return c, nil
}

// next is a next.
func (c *cursor) next() (value, bool, error) {
	if !c.rows.Next() {
		return value{}, false, c.rows.Err()
	}
	raw := c.rows.RawValues()
	return value{pgrow.DecodeInt32(raw[0]), pgrow.DecodeInt32(raw[1]), int64(pgrow.DecodeTimestamp(raw[2])), pgrow.DecodeFloat64(raw[3])}, true, nil
}

func (c *cursor) close(ctx context.Context) {
	if c.rows != nil {
		c.rows.Close()
	}
	_ = c.conn.Close(context.WithoutCancel(ctx))
}
