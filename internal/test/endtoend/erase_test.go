package endtoend_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// refused are the turbines that an error says keep their values, and how many
// values were not removed; all is the day as a whole.
func refused(t *testing.T, err error) (turbines []int32, removed int64) {
	t.Helper()
	e, ok := errors.AsType[*etl.EraseError](err)
	if !ok {
		t.Fatalf("got %v, want a refusal to remove values", err)
	}
	for _, l := range e.Turbines {
		turbines = append(turbines, l.Turbine)
	}
	return turbines, e.Removed()
}

// A turbine that the source has no samples of any more, or only a few, keeps its
// values and its flags; the day's others are loaded, and the day is failed.
func TestTurbineThatIsLostKeepsItsValues(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 4)
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 70 WHERE turbine_id > 1 AND timestamp = '2025-01-01 23:00'") // flagged
	s.run(t, 1)
	kept := collect(t, s.target, "SELECT d.turbine_id, d.timestamp, s.name, d.value FROM data d JOIN signal s ON s.id = d.signal_id WHERE turbine_id > 1")
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id IN (2, 3)")
	pgtest.Exec(t, s.source, "DELETE FROM turbine WHERE id = 3")
	// Turbine 4 has six hours left, with a reading of its own to flag.
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 4 AND timestamp >= '2025-01-01 06:00'")
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 80 WHERE turbine_id = 4 AND timestamp = '2025-01-01 01:00'")
	pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1000 WHERE turbine_id = 1 AND timestamp = '2025-01-01 10:03'")

	dry := request(1)
	dry.DryRun = true
	want := etl.Partition{
		Day: "2025-01-01", Outcome: enum.OutcomeFailed, Samples: 1800, Expected: 3 * 1440, Windows: 180,
		Rows: 4 * 2160, Updated: 3, Written: 3, Refused: 2*2160 + 1620,
	}
	ignore := cmpopts.IgnoreFields(etl.Partition{}, "Seconds", "Warnings", "Error", "Token")
	for _, r := range []etl.Request{dry, request(1), request(1)} {
		got, err := s.job.Run(t.Context(), r)
		turbines, removed := refused(t, err)
		if diff := cmp.Diff([]int32{2, 3, 4}, turbines); diff != "" || removed != want.Refused {
			t.Errorf("refused: %d values, of turbines (-want +got):\n%s", removed, diff)
		}
		if diff := cmp.Diff(want, got.Partitions[0], ignore); diff != "" {
			t.Errorf("dry run %t (-want +got):\n%s", r.DryRun, diff)
		}
		same(t, collect(t, s.target, "SELECT d.turbine_id, d.timestamp, s.name, d.value FROM data d JOIN signal s ON s.id = d.signal_id WHERE turbine_id > 1"), kept, 0)
		if !r.DryRun {
			want.Updated, want.Written = 0, 0 // it is loaded
		}
	}
	if got, want := pgtest.Query[string](t, s.target, "SELECT string_agg(turbine_id || ' ' || to_char(timestamp, 'HH24:MI'), ', ' ORDER BY turbine_id) FROM flag"), "2 23:00, 3 23:00, 4 23:00"; got != want {
		t.Errorf("flags: got %s, want %s", got, want)
	}
	if got := pgtest.Query[string](t, s.target, "SELECT outcome || ' ' || error FROM partition"); !strings.HasPrefix(got, "failed turbine 2 would lose 2160 of its 2160 values") {
		t.Errorf("ledger: got %s", got)
	}

	// A selection of turbines is no way round it.
	some := request(1)
	some.Turbines, _ = selector.Parse("1-2")
	if turbines, removed := refused(t, second(s.job.Run(t.Context(), some))); len(turbines) != 1 || removed != 2160 {
		t.Errorf("run of turbines 1 and 2: refused to remove %d values of turbines %v", removed, turbines)
	}
	some.Turbines, _ = selector.Parse("2")
	if turbines, removed := refused(t, second(s.job.Run(t.Context(), some))); len(turbines) != 0 || removed != 2160 {
		t.Errorf("run of turbine 2: refused to remove %d values of turbines %v, want nothing done", removed, turbines)
	}

	// The permission is of one request, and a dry run says what it would do.
	allowed := request(1)
	allowed.AllowEmpty, allowed.DryRun = true, true
	if got, err := s.job.Run(t.Context(), allowed); err != nil || got.Deleted != want.Refused {
		t.Errorf("dry run, allowed: got %d deleted, %v, want %d", got.Deleted, err, want.Refused)
	}
	allowed.DryRun = false
	if got, err := s.job.Run(t.Context(), allowed); err != nil || got.Deleted != want.Refused || got.Done != 1 {
		t.Errorf("run, allowed: got %d deleted, %v, want %d", got.Deleted, err, want.Refused)
	}
	near(t, s.values(t), s.expected(t))
	s.run(t, 1)
}

func second(_ etl.Summary, err error) error { return err }

// A permission for which an unchanged day has no use does not lower what it is held
// against.
func TestUnchangedDayKeepsItsMost(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	s.run(t, 1)
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp < '2025-01-01 06:00'")
	s.run(t, 1)
	allowed := request(1)
	allowed.AllowEmpty = true
	if got, err := s.job.Run(t.Context(), allowed); err != nil || got.Written != 0 {
		t.Fatalf("an unchanged day: got %d written, %v", got.Written, err)
	}
	if most := pgtest.Query[int64](t, s.target, "SELECT rows_most FROM partition"); most != 2160 {
		t.Errorf("the most that the day had: got %d values, want 2160", most)
	}
}

// What may be removed from a day by itself.
func TestHowMuchMayBeRemoved(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	for _, tt := range []struct {
		name, change string
		refused      int64 // 0 is loaded
		rows         int64 // afterwards
	}{
		{"nothing", "SELECT 1", 0, 2160},
		{"nine readings", "DELETE FROM data WHERE timestamp >= '2025-01-01 08:00' AND timestamp < '2025-01-01 08:09'", 0, 2157},
		{"exactly half", "DELETE FROM data WHERE timestamp < '2025-01-01 12:00' AND timestamp NOT BETWEEN '2025-01-01 08:00' AND '2025-01-01 08:09' OR timestamp = '2025-01-01 23:55'", 0, 1092},
		// Held against the 2160 that there were once, or a source that loses its
		// samples little by little would be followed into nothing.
		{"an hour more", "DELETE FROM data WHERE timestamp >= '2025-01-01 12:00' AND timestamp < '2025-01-01 13:00'", 90, 1092},
		{"an hour that is back", "INSERT INTO data SELECT 1, t, 1, 2, 3 + random() FROM generate_series('2025-01-01 12:00'::timestamptz, '2025-01-01 12:59', '1 min') AS t", 0, 1092},
		{"all readings changed", "UPDATE data SET power = power + 1, wind_speed = wind_speed + 1, ambient_temperature = ambient_temperature + 1", 0, 1092},
		{"two hours more, two others back", `WITH gone AS (DELETE FROM data WHERE timestamp >= '2025-01-01 12:00' AND timestamp < '2025-01-01 14:00')
			INSERT INTO data SELECT 1, t, 1, 2, 3 + random() FROM generate_series('2025-01-01 02:00'::timestamptz, '2025-01-01 03:59', '1 min') AS t`, 0, 1092},
		{"a variable", "UPDATE data SET power = NULL", 364, 1092},
		{"all but a day's last minute", "DELETE FROM data WHERE timestamp < '2025-01-01 23:59'", 1092 - 8, 1092},
		{"everything", "DELETE FROM data", 1092, 1092},
	} {
		pgtest.Exec(t, s.source, tt.change)
		got, err := s.job.Run(t.Context(), request(1))
		if tt.refused > 0 {
			turbines, removed := refused(t, err)
			if turbines != nil || removed != tt.refused || got.Partitions[0].Refused != tt.refused {
				t.Errorf("%s: refused to remove %d values of turbines %v, want %d of the day as a whole", tt.name, removed, turbines, tt.refused)
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if rows := pgtest.Query[int64](t, s.target, "SELECT count(*) FROM data"); rows != tt.rows || got.Partitions[0].Rows != tt.rows {
			t.Errorf("%s: the target holds %d values, the run says %d, want %d", tt.name, rows, got.Partitions[0].Rows, tt.rows)
		}
		if n := pgtest.Query[int64](t, s.target, "SELECT rows FROM partition"); n != tt.rows {
			t.Errorf("%s: the ledger has %d values, want %d", tt.name, n, tt.rows)
		}
	}
	// Once it was allowed, the day is held against what it has since.
	allowed := request(1)
	allowed.AllowEmpty = true
	pgtest.Exec(t, s.source, "INSERT INTO data SELECT 1, t, 1, 2, 3 + random() FROM generate_series('2025-01-01 12:00'::timestamptz, '2025-01-01 12:59', '1 min') AS t")
	if got, err := s.job.Run(t.Context(), allowed); err != nil || got.Rows != 90 {
		t.Errorf("allowed: got %d values, %v, want 90", got.Rows, err)
	}
	// A day of an hour may lose nine readings, wherever they are, and not all.
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp < '2025-01-01 12:50'")
	if got := s.run(t, 1); got.Rows != 15 {
		t.Errorf("ten minutes of an hour: got %d values, want 15", got.Rows)
	}
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp < '2025-01-01 12:59'")
	if got := s.run(t, 1); got.Rows != 12 {
		t.Errorf("one reading: got %d values, want 12", got.Rows)
	}
	pgtest.Exec(t, s.source, "DELETE FROM data")
	if _, removed := refused(t, second(s.job.Run(t.Context(), request(1)))); removed != 12 {
		t.Errorf("the last reading: refused to remove %d values, want 12", removed)
	}
}
