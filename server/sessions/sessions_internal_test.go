package sessions

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/test/apitest"
)

func TestDivide(t *testing.T) {
	t.Parallel()
	for all, want := range map[int][3]int{
		2: {2, 1, 1}, 3: {2, 1, 1}, 4: {3, 2, 1}, 5: {4, 3, 2}, 8: {7, 5, 3}, 16: {15, 11, 7}, 64: {63, 47, 31},
	} {
		asked, places, long := divide(all)
		if got := [3]int{asked, places, long}; got != want {
			t.Errorf("%d sessions are divided into %v, want %v", all, got, want)
		}
		if asked-places < 1 || places < 1 || long < 1 || all > 4 && places-long < 1 {
			t.Errorf("of %d sessions somebody has none: %d, %d, %d", all, asked, places, long)
		}
	}
}

// of returns the sessions of a pool that never connects.
func of(t *testing.T, conns string) *Sessions {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/nothing?pool_max_conns="+conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return New(pool, NewCheck(dberror.Source, sourcedb.New, 0), time.Millisecond)
}

// outgrows is an answer that needs a place; while it has it, it calls sent.
func outgrows(sent func()) func(func() error) error {
	return func(outgrown func() error) error {
		err := outgrown()
		if err == nil {
			sent()
		}
		return err
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	s := of(t, "5") // three places, of which two for long answers
	ctx := t.Context()
	if _, places, long := divide(5); places != 3 || long != 2 {
		t.Fatal("the numbers of this test are out of date")
	}
	var nested func(kinds ...Kind) error
	nested = func(kinds ...Kind) (err error) {
		if len(kinds) == 0 {
			return nil
		}
		failed := s.Answer(ctx, kinds[0], outgrows(func() { err = nested(kinds[1:]...) }))
		return errors.Join(failed, err)
	}
	for name, tt := range map[string]struct {
		kinds []Kind
		full  string // what the last one is told
	}{
		"two long ones and a short one": {[]Kind{Long, Long, Short}, ""},
		"two long ones and a heavy one": {[]Kind{Long, Long, Heavy}, ""},
		"three short ones":              {[]Kind{Short, Short, Short}, ""},
		"a third long one":              {[]Kind{Long, Long, Long}, "too many answers of more than a day are being read: this server sends 2 at once"},
		"a fourth one":                  {[]Kind{Short, Long, Long, Short}, "too many answers are being read: this server sends 3 at once"},
		"a long one among short ones":   {[]Kind{Short, Heavy, Short, Long}, "too many answers are being read: this server sends 3 at once"},
	} {
		for range 2 { // all places are given back
			err := nested(tt.kinds...)
			switch {
			case tt.full == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case tt.full != "" && (err == nil || !strings.Contains(err.Error(), tt.full) || apitest.Status(err) != http.StatusServiceUnavailable):
				t.Errorf("%s: got %v, want a 503: %s", name, err, tt.full)
			}
		}
	}
}

// An answer that has to wait holds nothing meanwhile, and is written anew.
func TestAnswerIsWrittenAnew(t *testing.T) {
	t.Parallel()
	s := of(t, "2")
	s.wait = time.Minute
	ctx := t.Context()
	first, leave, written := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		written <- s.Answer(ctx, Long, outgrows(func() { close(first); <-leave }))
	}()
	<-first
	attempts, ended := 0, 0
	err := s.Answer(ctx, Short, func(outgrown func() error) error {
		attempts++
		defer func() { ended++ }()
		if attempts == 1 {
			defer close(leave)
		}
		return outgrown()
	})
	if err != nil || attempts != 2 || ended != 2 {
		t.Errorf("%d attempts, %d ended, %v", attempts, ended, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// Nothing is waited for by a client that has left, nor by an answer that does not
// outgrow what is held back.
func TestAnswerWithoutAPlace(t *testing.T) {
	t.Parallel()
	s := of(t, "2")
	s.wait = time.Minute
	err := s.Answer(t.Context(), Long, outgrows(func() {
		if err := s.Answer(t.Context(), Long, func(func() error) error { return nil }); err != nil {
			t.Error(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Answer(gone, Short, outgrows(func() { t.Error("there is a second place") })); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestAcquireFromADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	s := of(t, "2")
	s.wait = time.Minute
	for range 5 { // what failed takes no session away
		if _, err := s.Acquire(t.Context()); err == nil || apitest.Status(err) != http.StatusServiceUnavailable || strings.Contains(err.Error(), "in use") {
			t.Errorf("got %v", err)
		}
	}
}
