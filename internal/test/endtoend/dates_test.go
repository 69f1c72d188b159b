package endtoend_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// Days that can't be believed, to both ends of what can be written, are loaded
// like any other for who asks for them: first, again, and when they have changed.
func TestUnbelievableDaysAreLoaded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	unbelievable := []string{"0001-01-01", "0225-01-01", "1970-01-01", "2099-06-30", "9999-12-31"}
	for _, day := range unbelievable {
		pgtest.Exec(t, s.source, "INSERT INTO data SELECT 1, $1::text::timestamptz + n * interval '479 min 59.5 s', n, 2 * n, 3 FROM generate_series(0, 3) AS n", day+"Z")
	}
	for _, text := range unbelievable {
		day := date(text)
		of := etl.Request{From: day, To: day, Turbines: selector.All()}
		if got, err := s.job.Run(t.Context(), of); err != nil || got.Done != 1 || got.Inserted == 0 {
			t.Fatalf("%s: got %+v, %v", text, got, err)
		}
		if got, err := s.job.Run(t.Context(), of); err != nil || got.Done != 1 || got.Written != 0 {
			t.Errorf("%s again: got %+v, %v", text, got, err)
		}
		if got := s.stale(t, of); len(got) > 0 {
			t.Errorf("%s: it is stale", text)
		}
		pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1 WHERE timestamp >= $1::text::timestamptz", text+"Z")
		if got := s.stale(t, of); len(got) != 1 {
			t.Errorf("%s: it is not stale after a change", text)
		}
		if got, err := s.job.Run(t.Context(), of); err != nil || got.Updated == 0 || got.Inserted+got.Deleted > 0 {
			t.Errorf("%s after a change: got %+v, %v", text, got, err)
		}
		report, err := verify.Run(t.Context(), verify.Config{Target: s.target, SourceURL: s.apiURL, Log: slog.New(slog.DiscardHandler)},
			verify.Request{From: &day, To: &day, Turbines: selector.All()})
		if err != nil || !report.OK() || report.Values == 0 {
			t.Errorf("verify %s: got %+v, %v", text, report, err)
		}
	}
	if span, known, err := s.job.Sampled(t.Context(), date("1980-01-01"), date("2025-01-10")); err != nil || known {
		t.Errorf("samples that can be believed: got %v, %t, %v", span, known, err)
	}
	s.seed(t, 1, 1)
	want := etl.Span{First: date("2025-01-01"), Last: date("2025-01-01")}
	if span, known, err := s.job.Sampled(t.Context(), date("1980-01-01"), time.Now().UTC()); err != nil || !known || span != want {
		t.Errorf("samples that can be believed: got %v, %t, %v, want %v", span, known, err, want)
	}
}
