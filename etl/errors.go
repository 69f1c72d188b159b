package etl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dberror"
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

// maxLost is how many attempts in a row may be lost with the worker that made
// them before a day is given up: one that kills its worker would kill the next.
const maxLost = 5

// LostError says that a day was given up, as every attempt at it was lost.
type LostError struct{ Attempts int32 }

func (e *LostError) Error() string {
	return fmt.Sprintf("the last %d attempts ended without a word, each with the worker that made it: it was killed, ran out of memory or hung. "+
		"Look at the workers' logs and memory, then ask for the day again", e.Attempts)
}

// errUntold is wrapped when the target could not even be told that an attempt had
// failed.
var errUntold = errors.New("and the ledger could not be told")

// meaning is what an error says of the target; nothing if it is the source API's.
func meaning(err error) dberror.Meaning {
	if errors.Is(err, extract.ErrAway) || errors.Is(err, extract.ErrBroken) {
		_, connecting := errors.AsType[*pgconn.ConnectError](err)
		if _, answered := errors.AsType[*pgconn.PgError](err); !connecting && !answered {
			return dberror.Meaning{}
		}
	}
	return dberror.Target.Of(err)
}

// explain adds the way out to errors of the target that have a known one.
func explain(err error) error {
	if meaning(err).Remedy == "" {
		return err
	}
	return dberror.Target.Explain(err)
}

// explainOnce is explain for errors of which several may have the same way out.
func explainOnce(errs []error) {
	told := map[string]bool{}
	for i, err := range errs {
		if remedy := meaning(err).Remedy; remedy != "" && !told[remedy] {
			told[remedy] = true
			errs[i] = explain(err)
		}
	}
}

// concernsAll tells whether err is of the source API or the target as a whole, so
// that no other day would fare better now.
func concernsAll(err error) bool {
	_, foreign := errors.AsType[*apiclient.Error](err)
	return foreign || errors.Is(err, extract.ErrAway) || targetAway(err) || meaning(err).Class == dberror.Never
}

// targetAway tells whether err is of the way to the target rather than of what
// was asked of it, or of the source.
func targetAway(err error) bool {
	if errors.Is(err, ErrClaimLost) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || errors.Is(err, errUntold) {
		return true
	}
	return meaning(err).Class == dberror.Away
}
