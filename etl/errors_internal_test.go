package etl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
)

func TestTargetAway(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	tests := map[string]struct {
		err  error
		want bool
	}{
		"no connection":                {fmt.Errorf("claim: %w", &pgconn.ConnectError{}), true},
		"one session ended":            {&pgconn.PgError{Code: "57P01"}, false},
		"no such database":             {&pgconn.PgError{Code: "3D000"}, true},
		"connection exception":         {&pgconn.PgError{Code: "08006"}, true},
		"reset":                        {fmt.Errorf("load: %w", reset), false},
		"unreachable":                  {fmt.Errorf("load: %w", &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), true},
		"a constraint":                 {&pgconn.PgError{Code: "23514"}, false},
		"the session ended by another": {fmt.Errorf("%w: %w", ledger.ErrClaimLost, &pgconn.PgError{Code: "57P01"}), false},
		"the source's connection":      {fmt.Errorf("%w: %w", extract.ErrAway, reset), false},
		"a broken turbine":             {&extract.BrokenError{Turbines: []extract.BrokenTurbine{{ID: 1, Err: fmt.Errorf("%w: %w", extract.ErrBroken, reset)}}}, false},
		"broken, and nobody to tell":   {fmt.Errorf("%w; %w", fmt.Errorf("%w: %w", extract.ErrBroken, reset), &pgconn.ConnectError{}), true},
		"untold":                       {fmt.Errorf("%w; %w: %w", reset, ledger.ErrNotRecorded, context.DeadlineExceeded), true},
		"no samples":                   {ErrNoSamples, false},
		"cancelled":                    {context.Canceled, false},
		"cut":                          {errors.Join(io.ErrUnexpectedEOF), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := targetAway(tt.err); got != tt.want {
				t.Errorf("targetAway(%v): got %t, want %t", tt.err, got, tt.want)
			}
		})
	}
}

func TestTemporary(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return fmt.Errorf("load: %w", &pgconn.PgError{Code: code}) }
	tests := map[string]struct {
		err  error
		want bool
	}{
		"idle in transaction":         {state("25P03"), true},
		"read-only":                   {state("25006"), true},
		"an administrator's cancel":   {state("57014"), true},
		"a deadlock":                  {state("40P01"), true},
		"a full disk":                 {state("53100"), true},
		"no such database":            {state("3D000"), true},
		"reset":                       {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		"too slow":                    {context.DeadlineExceeded, true},
		"lost":                        {ledger.ErrClaimLost, true},
		"the source is away":          {fmt.Errorf("%w: refused", extract.ErrAway), true},
		"a broken answer":             {&extract.BrokenError{Turbines: []extract.BrokenTurbine{{ID: 1, Err: extract.ErrBroken}}}, true},
		"a certificate of the source": {fmt.Errorf("%w: %w", extract.ErrAway, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), false},
		"a missing table":             {state("42P01"), false},
		"a missing privilege":         {state("42501"), false},
		"a wrong password":            {&pgconn.PgError{Code: "28P01"}, false},
		"a pooler":                    {state("42P05"), false},
		"a constraint":                {state("23514"), false},
		"lost with its workers":       {&ledger.LostError{Attempts: 5}, false},
		"cancelled":                   {context.Canceled, false},
		"the source refuses":          {&extract.StatusError{Code: 422}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Temporary(tt.err); got != tt.want {
				t.Errorf("Temporary(%v): got %t, want %t", tt.err, got, tt.want)
			}
		})
	}
}

// However many days fail for the same reason, the way out is said once.
func TestExplainOnce(t *testing.T) {
	t.Parallel()
	table := &pgconn.PgError{Severity: "ERROR", Code: "42P01", Message: "missing"}
	errs := []error{nil, table, table, ErrNoSamples}
	explainOnce(errs)
	want := "ERROR: missing (SQLSTATE 42P01); `delfos schema apply target` brings the database to this version\nERROR: missing (SQLSTATE 42P01)\n" + ErrNoSamples.Error()
	if got := errors.Join(errs...).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
