package source

import (
	"net/http"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/stream"
)

// A fraction that came after the look for one ends the answer: it would be the only
// timestamp of its form.
func TestNewFraction(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Source(t))
	pgtest.Exec(t, pool, "INSERT INTO turbine VALUES (1, 'First') ON CONFLICT DO NOTHING")
	pgtest.Exec(t, pool, "INSERT INTO data (turbine_id, timestamp) VALUES (1, '2025-01-01Z'), (1, '2025-01-01 00:01:00.5Z')")
	day := param.Span{Start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)}
	for wide, want := range map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusOK} {
		v := &view{query: query{Span: day}, db: pool, ids: []int32{1}, wide: wide}
		err := v.read(t.Context(), nil, &reading{}, func([]stream.Value) error { return nil })
		got := http.StatusOK
		if err != nil {
			got = apitest.Status(err)
		}
		if got != want {
			t.Errorf("wide %t: got %d (%v), want %d", wide, got, err, want)
		}
	}
}
