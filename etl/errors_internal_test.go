package etl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestTargetAway(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	tests := map[string]struct {
		err  error
		want bool
	}{
		"no connection":                {fmt.Errorf("claim: %w", &pgconn.ConnectError{}), true},
		"told to stop":                 {&pgconn.PgError{Code: "57P01"}, true},
		"starting":                     {&pgconn.PgError{Code: "57P03"}, true},
		"connection exception":         {&pgconn.PgError{Code: "08006"}, true},
		"reset":                        {fmt.Errorf("load: %w", reset), true},
		"a constraint":                 {&pgconn.PgError{Code: "23514"}, false},
		"the session ended by another": {fmt.Errorf("%w: %w", ErrClaimLost, &pgconn.PgError{Code: "57P01"}), false},
		"the source's connection":      {away(t.Context(), reset), false},
		"a broken turbine":             {&BrokenError{[]BrokenTurbine{{1, fmt.Errorf("%w: %w", errBroken, reset)}}}, false},
		"broken, and nobody to tell":   {fmt.Errorf("%w; %w", fmt.Errorf("%w: %w", errBroken, reset), &pgconn.ConnectError{}), true},
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
