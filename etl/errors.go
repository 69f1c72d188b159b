package etl

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dberror"
)

// Temporary tells whether a failed day may succeed when nothing but time has
// passed: a server is away or gave up, the worker was too slow. What the source
// refuses, a row that breaks the contract, and what somebody has to mend first
// stay as they are.
func Temporary(err error) bool {
	if extract.Retriable(err) || errors.Is(err, ledger.ErrClaimLost) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	class := meaning(err).Class
	return class == dberror.Again || class == dberror.Away
}

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
	explained := map[string]bool{}
	for i, err := range errs {
		if remedy := meaning(err).Remedy; remedy != "" && !explained[remedy] {
			explained[remedy] = true
			errs[i] = explain(err)
		}
	}
}

// concernsAll tells whether err is of the source API or the target as a whole, so
// that no other day would fare better now.
func concernsAll(err error) bool {
	_, foreign := errors.AsType[*apiclient.Error](err)
	class := meaning(err).Class
	return foreign || errors.Is(err, extract.ErrAway) || targetAway(err) || class == dberror.Never || class == dberror.Outdated
}

// targetAway tells whether err is of the way to the target rather than of what
// was asked of it, or of the source.
func targetAway(err error) bool {
	if errors.Is(err, ledger.ErrClaimLost) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || errors.Is(err, ledger.ErrNotRecorded) {
		return true
	}
	return meaning(err).Class == dberror.Away
}
