package etl

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// BrokenTurbine is one whose readings can't be had, after all retries. It keeps
// its old values; the others of its day are loaded.
type BrokenTurbine struct {
	ID  int32
	Err error
}

// BrokenError names the broken turbines of a day.
type BrokenError struct{ Turbines []BrokenTurbine }

// named bounds how many turbines an error spells out.
const named = 10

func (e *BrokenError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d broken: ", len(e.Turbines))
	for i, t := range e.Turbines {
		if i == named {
			fmt.Fprintf(&b, "; and %d more", len(e.Turbines)-named)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "turbine %d: %v", t.ID, t.Err)
	}
	return b.String()
}

// Unwrap returns the causes.
func (e *BrokenError) Unwrap() []error {
	causes := make([]error, len(e.Turbines))
	for i, t := range e.Turbines {
		causes[i] = t.Err
	}
	return causes
}

// Storable is a text as PostgreSQL can hold it: what a source or a proxy says may
// have bytes that are no text, and a zero is none to a database.
func Storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

const undefinedTable = "42P01"

// explain adds the way out to errors that have a known one.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == undefinedTable {
		return fmt.Errorf("%w; `delfos schema apply target` creates the tables", err)
	}
	return err
}

// targetAway tells whether err is of the connection to the target rather than
// of what was asked of it, or of the source.
func targetAway(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var network net.Error
	switch {
	case errors.Is(err, ErrClaimLost):
		return false
	case errors.As(err, &connect):
		return true
	case errors.As(err, &pg):
		// Class 08: connection exception; 57P: the server was told to stop.
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")
	case errors.Is(err, ErrSourceAway), errors.Is(err, errBroken):
		return false
	}
	return errors.As(err, &network)
}
