package endtoend_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/internal/checkrule"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func (s *system) lines(t *testing.T, sql string) []string {
	t.Helper()
	rows, err := s.target.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

// doubts are the day's results that are not passed.
func (s *system) doubts(t *testing.T) []string {
	t.Helper()
	return s.lines(t, `
		SELECT concat_ws(' ', check_name, nullif(variable, ''), status, faults) || ': ' || detail
		FROM check_result WHERE status <> 'pass' ORDER BY day, check_name, variable`)
}

// flags are those of the target, neighbours drawn together.
func (s *system) flags(t *testing.T) []string {
	t.Helper()
	return s.lines(t, `
		SELECT concat_ws(' ', turbine_id, check_name, variable, to_char(min(timestamp), 'HH24:MI'), to_char(max(timestamp), 'HH24:MI'), count(*), max(version))
		FROM flag GROUP BY turbine_id, check_name, variable ORDER BY turbine_id, check_name, variable`)
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got)+len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestNothingToDoubt(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3, 6) // TestReferenceSampleEqualsPandas has days of one turbine
	s.wantNoDoubt(t, s.run(t, 3))
}

// wantNoDoubt wants every check of a load to be passed.
func (s *system) wantNoDoubt(t *testing.T, load etl.Summary) {
	t.Helper()
	if load.Warnings != 0 {
		t.Errorf("warnings: got %d, want none", load.Warnings)
	}
	wantLines(t, "doubts", s.doubts(t))
	wantLines(t, "flags", s.flags(t))
	passed := pgtest.Query[int](t, s.target, "SELECT count(*) FROM check_result WHERE status = 'pass' AND version > 0 AND faults = 0")
	if all := len(load.Partitions) * len(checkrule.Defaults()); passed != all {
		t.Errorf("results: got %d passed, want %d", passed, all)
	}
	wantLines(t, "digests", s.lines(t, "SELECT DISTINCT detail FROM check_result WHERE check_name = 'digest'"), "the source still holds what was loaded")
}

// spoilSource makes an hour's temperature of turbine 2 flat, turbine 3's
// anemometer jump, and turbine 1 lose half an hour and a reading.
func (s *system) spoilSource(t *testing.T) {
	t.Helper()
	pgtest.Exec(t, s.source, "CREATE TABLE kept AS TABLE data")
	pgtest.Exec(t, s.source, "UPDATE data SET ambient_temperature = 6.7 WHERE turbine_id = 2 AND timestamp >= '2025-01-01 05:00' AND timestamp < '2025-01-01 06:00'")
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 99 WHERE turbine_id = 3 AND timestamp IN ('2025-01-01 07:07', '2025-01-01 07:08', '2025-01-01 07:10')")
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 1 AND timestamp >= '2025-01-01 09:00' AND timestamp < '2025-01-01 09:30'")
	pgtest.Exec(t, s.source, "UPDATE data SET power = NULL WHERE turbine_id = 1 AND timestamp = '2025-01-01 10:00'")
}

func (s *system) repairSource(t *testing.T) {
	t.Helper()
	pgtest.Exec(t, s.source, "DELETE FROM data")
	pgtest.Exec(t, s.source, "INSERT INTO data TABLE kept")
}

func spoiledDoubts() []string {
	return []string{
		"completeness warn 30: 30 of 4320 samples missing: turbine 1: 30 of 1440",
		"completeness power warn 1: 1 reading missing in 4290 samples: turbine 1: 1",
		"frozen ambient_temperature warn 1: 1 flat run: turbine 2: 6.7 °C for 60 minutes from 2025-01-01T05:00:00Z",
		"range wind_speed warn 3: 3 readings outside [0, 60] m/s: turbine 3: 99 at 2025-01-01T07:07:00Z",
	}
}

func spoiledFlags() []string {
	return []string{
		"2 frozen ambient_temperature 05:00 05:50 6 2",
		"3 range wind_speed 07:00 07:10 2 1",
	}
}

func TestSpoiledDayIsDoubted(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	s.spoilSource(t)

	r := request(1)
	r.DryRun = true
	dry, err := s.job.Run(t.Context(), r)
	if err != nil || dry.Warnings != 4 {
		t.Errorf("dry run: got %d warnings, %v, want 4", dry.Warnings, err)
	}
	wantLines(t, "doubts after a dry run", s.doubts(t))

	if got := s.run(t, 1); got.Warnings != 4 || got.Done != 1 {
		t.Errorf("run: got %d warnings, %d done, want 4 and 1", got.Warnings, got.Done)
	}
	wantLines(t, "doubts", s.doubts(t), spoiledDoubts()...)
	wantLines(t, "flags", s.flags(t), spoiledFlags()...)
	near(t, s.values(t), s.expected(t))

	// Nothing has changed: what was found stays.
	s.run(t, 1)
	wantLines(t, "doubts after an unchanged run", s.doubts(t), spoiledDoubts()...)
	wantLines(t, "flags after an unchanged run", s.flags(t), spoiledFlags()...)

	// Some turbines alone: their flags are made anew, the results are of a day.
	s.repairSource(t)
	r = request(1)
	r.Turbines = selected(t, "2")
	if _, err := s.job.Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "doubts after a run of turbine 2", s.doubts(t), spoiledDoubts()...)
	wantLines(t, "flags after a run of turbine 2", s.flags(t), spoiledFlags()[1])

	if got := s.run(t, 1).Warnings; got != 0 {
		t.Errorf("warnings after repair: got %d, want none", got)
	}
	wantLines(t, "doubts after repair", s.doubts(t))
	wantLines(t, "flags after repair", s.flags(t))
	near(t, s.values(t), s.expected(t))
}

func selected(t *testing.T, text string) selector.Set {
	t.Helper()
	set, err := selector.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestRuleBlocksADay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	s.run(t, 1)
	before, digest := s.values(t), s.lines(t, "SELECT concat(rows, source_digest, target_digest) FROM partition")
	s.spoilSource(t)
	pgtest.Exec(t, s.target, "UPDATE check_rule SET severity = 'block', high = 50 WHERE check_name = 'range' AND variable = 'wind_speed'")

	sentence := "the check range of wind_speed blocks the day: 3 readings outside [0, 50] m/s: turbine 3: 99 at 2025-01-01T07:07:00Z"
	for _, dry := range []bool{true, false} {
		r := request(1)
		r.DryRun = dry
		got, err := s.job.Run(t.Context(), r)
		var blocked *check.BlockedError
		if !errors.As(err, &blocked) || !strings.Contains(err.Error(), sentence) || etl.Temporary(err) || got.Failed != 1 {
			t.Errorf("run (dry: %t): got %d failed, %v, want one that says for good %q", dry, got.Failed, err, sentence)
		}
	}
	same(t, s.values(t), before, 0)
	wantLines(t, "doubts", s.doubts(t))
	wantLines(t, "flags", s.flags(t))
	wantLines(t, "digests", s.lines(t, "SELECT concat(rows, source_digest, target_digest) FROM partition"), digest...)
	wantLines(t, "ledger", s.lines(t, "SELECT outcome || ' ' || error FROM partition"), "failed "+sentence)

	pgtest.Exec(t, s.target, "UPDATE check_rule SET severity = 'off' WHERE check_name = 'range' AND variable = 'wind_speed'")
	if got := s.run(t, 1); got.Done != 1 || got.Warnings != 3 {
		t.Errorf("run under a rule that is off: got %d done, %d warnings, want 1 and 3", got.Done, got.Warnings)
	}
	wantLines(t, "doubts", s.doubts(t), spoiledDoubts()[:3]...)
	wantLines(t, "flags", s.flags(t), spoiledFlags()[0])
	near(t, s.values(t), s.expected(t))
}

// twice sends turbine 3's second minute twice.
func twice() fault {
	repeat := rewrite(func(body []byte, trailer http.Header) ([]byte, bool) {
		in, err := ipc.NewReader(bytes.NewReader(body))
		if err != nil || !in.Next() {
			return body, false
		}
		defer in.Release()
		var repeated bytes.Buffer
		out := ipc.NewWriter(&repeated, ipc.WithSchema(in.Schema()))
		rows := in.RecordBatch()
		_ = out.Write(rows.NewSlice(0, 2))
		_ = out.Write(rows.NewSlice(1, rows.NumRows()))
		_ = out.Close()
		body = repeated.Bytes()
		sum := sha256.Sum256(body)
		trailer.Set("Delfos-Rows", strconv.FormatInt(rows.NumRows()+1, 10))
		trailer.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		return body, true
	})
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		return slices.Contains(strings.Split(r.URL.Query().Get("turbines"), ","), "3") && repeat(w, r, next)
	}
}

func TestMinuteThatComesTwice(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	s.spoilSource(t)
	s.run(t, 1)
	before := s.values(t)
	s.repairSource(t)
	s.gateway.spoilAll(twice())
	_, err := s.job.Run(t.Context(), request(1))
	sentence := "turbine 3: 2025-01-01T00:01:00Z after 2025-01-01T00:01:00Z: samples must be in order of time, each time once"
	if err == nil || !strings.Contains(err.Error(), sentence) || etl.Temporary(err) {
		t.Errorf("run: got %v, want an error that says for good %q", err, sentence)
	}
	doubts := s.doubts(t)
	if len(doubts) != 1 || !strings.HasPrefix(doubts[0], "order block 1: ") || !strings.Contains(doubts[0], sentence) {
		t.Errorf("doubts: got %q, want order alone, with %q", doubts, sentence)
	}
	// The turbine keeps its old values, and so its flags; the others are loaded.
	wantLines(t, "flags", s.flags(t), spoiledFlags()[1])
	expected, values := s.expected(t), s.values(t)
	for k, v := range before {
		if k.turbine == 3 {
			expected[k] = v
		}
	}
	near(t, values, expected)

	s.gateway.spoilAll(nil)
	s.run(t, 1)
	wantLines(t, "doubts after repair", s.doubts(t))
	wantLines(t, "flags after repair", s.flags(t))
}

func TestSourceChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	s.gateway.spoil(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		next.ServeHTTP(w, r)
		pgtest.Exec(t, s.source, "UPDATE data SET power = 7 WHERE timestamp = '2025-01-01 10:00'")
		return true
	})
	if got := s.run(t, 1); got.Warnings != 1 || got.Done != 1 {
		t.Errorf("run: got %d warnings, %d done, want 1 and 1", got.Warnings, got.Done)
	}
	if got := s.doubts(t); len(got) != 1 || !strings.HasPrefix(got[0], "digest warn 1: the source changed while it was read: loaded ") {
		t.Errorf("doubts: got %q, want the digest alone", got)
	}
	s.run(t, 1)
	wantLines(t, "doubts after another run", s.doubts(t))
}

// A variable that the farm does not log is not missing. One that it had once is.
func TestVariableThatNobodyLogs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 2)
	pgtest.Exec(t, s.source, "UPDATE data SET ambient_temperature = NULL")
	completeness := func() string {
		return pgtest.Query[string](t, s.target, "SELECT string_agg(day || ' ' || status || ' ' || detail, '; ' ORDER BY day) FROM check_result WHERE check_name = 'completeness' AND variable = 'ambient_temperature'")
	}
	if got := s.run(t, 1).Partitions[0]; got.Warnings != 0 {
		t.Errorf("%d warnings", got.Warnings)
	}
	if got, want := completeness(), "2025-01-01 pass no reading is expected: the target has none of any day"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	pgtest.Exec(t, s.source, "UPDATE data SET ambient_temperature = 5 WHERE turbine_id = 2 AND timestamp < '2025-01-02'")
	if got := s.run(t, 2).Partitions; got[0].Warnings != 1 || got[1].Warnings != 1 {
		t.Errorf("warnings of a variable that one turbine has had: %d and %d", got[0].Warnings, got[1].Warnings)
	}
}
