package source_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/timestamp"
)

// line is one of /data/digest.
type line struct {
	Day     string
	Turbine int32 `json:"turbine_id"`
	Samples int64
	First   string
	Last    string
	Digest  string
}

func (b *bundle) digest(query string) []line {
	b.TB.Helper()
	a := b.Get("/data/digest?" + query)
	var lines []line
	if err := json.Unmarshal([]byte(a.Body), &lines); err != nil || a.Status != http.StatusOK {
		b.TB.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	if got, want := a.Trailer.Get("Delfos-Rows"), jsonOf(len(lines)); got != want || a.Trailer.Get("Content-Digest") == "" {
		b.TB.Errorf("%s: trailers %v, want %s rows", query, a.Trailer, want)
	}
	return lines
}

func TestDigestGolden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	// A digest of an older version of PostgreSQL or of ours stays true.
	for file, query := range map[string]string{
		"digest.json":      "start=2024-12-31&end=2025-01-02",
		"digest_2.json":    day + "&turbines=2,3",
		"digest_none.json": "start=2020-01-01&end=2020-01-02",
	} {
		a := b.Get("/data/digest?" + query)
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v", query, a.Status, a.Header)
		}
		golden.Equal(t, file, a.Body)
	}
}

// Each line is what one computes of its samples, one by one, in any order.
func TestDigestRecomputed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 3) AS i")
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01 22:30Z'::timestamptz + i * interval '7 min 1 us',
			nullif(i % 25, 3), nullif(i % 7, 0) / 3.0, nullif(i % 40, 7) - 20
		FROM generate_series(0, 500) AS i, generate_series(1, 3) AS turbine WHERE (i + turbine) % 5 > 0`)
	start, end := time.Date(2025, 1, 1, 23, 0, 0, 0, time.UTC), time.Date(2025, 1, 3, 12, 0, 0, 0, time.UTC)
	sums := map[string]uint64{}
	lines := map[string]*line{}
	all := sourcedb.ReadSamplesParams{TurbineIds: []int32{3, 1, 2}, Start: start, Stop: end}
	for sample, err := range sourcedb.New(b.db).ReadSamples(t.Context(), all) {
		if err != nil {
			t.Fatal(err)
		}
		at := sample.Timestamp.Time()
		day, instant := at.Format(time.DateOnly), at.Format(time.RFC3339Nano)
		key := fmt.Sprintf("%s %d", day, sample.TurbineID)
		l := lines[key]
		if l == nil {
			l = &line{Day: day, Turbine: sample.TurbineID, First: instant, Last: instant}
			lines[key] = l
		}
		sums[key] ^= sample.Hash()
		l.Samples++
		l.First, l.Last = min(l.First, instant), max(l.Last, instant)
		l.Digest = fmt.Sprintf("%016x", sums[key])
	}
	var want []line
	for _, l := range lines {
		want = append(want, *l)
	}
	slices.SortFunc(want, func(a, b line) int { return strings.Compare(a.Day+fmt.Sprint(a.Turbine), b.Day+fmt.Sprint(b.Turbine)) })
	query := "start=2025-01-01T23:00:00&end=2025-01-03T12:00:00"
	if diff := cmp.Diff(want, b.digest(query)); diff != "" || len(want) != 9 {
		t.Errorf("(-recomputed +got):\n%s", diff)
	}
	// Asked often, it is planned anew each time; in another zone days are UTC's.
	zoned := startOn(t, withParam(t, b.database, "timezone=America/New_York"))
	for range 7 {
		if diff := cmp.Diff(want, zoned.digest(query+"&turbines=1-3")); diff != "" {
			t.Errorf("in New York (-recomputed +got):\n%s", diff)
		}
	}
	for _, turbine := range []int32{1, 2, 3} {
		mine := slices.DeleteFunc(slices.Clone(want), func(l line) bool { return l.Turbine != turbine })
		if diff := cmp.Diff(mine, b.digest(query+fmt.Sprintf("&turbines=%d", turbine))); diff != "" {
			t.Errorf("turbine %d (-recomputed +got):\n%s", turbine, diff)
		}
	}
}

// A digest changes with any reading of its day and turbine, with no other, and
// is what it was once the reading is.
func TestDigestFollowsTheSamples(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine VALUES (2, 'North')")
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 h', i, 0, NULL
		FROM generate_series(0, 47) AS i, generate_series(1, 2) AS turbine`)
	const query = "start=2025-01-01&end=2025-01-02T23:59:59"
	b.exec("CREATE TABLE kept AS TABLE data")
	before := b.digest(query)
	if len(before) != 4 {
		t.Fatalf("got %v", before)
	}
	seen := map[string]string{before[0].Digest: "before"}
	for _, change := range []string{
		"UPDATE data SET wind_speed = wind_speed + 0.001",
		"UPDATE data SET wind_speed = NULL",
		"UPDATE data SET power = NULL", // was 0
		"UPDATE data SET power = -1",
		"UPDATE data SET ambient_temperature = 0", // was NULL
		"UPDATE data SET power = ambient_temperature, ambient_temperature = power",
		"UPDATE data SET timestamp = timestamp + interval '1 us'",
		"DELETE FROM data",
	} {
		for _, which := range []string{"timestamp = '2025-01-01Z'", "timestamp = '2025-01-01 23:00Z'", "timestamp < '2025-01-01 02:00Z'", "timestamp < '2025-01-02Z'"} {
			sql := change + " WHERE turbine_id = 1 AND " + which
			b.exec(sql)
			after := b.digest(query)
			if len(after) == 3 { // all are gone
				after = append([]line{{}}, after...)
			}
			if diff := cmp.Diff(before[1:], after[1:]); diff != "" {
				t.Errorf("%s: lines of others (-before +after):\n%s", sql, diff)
			}
			if other, ok := seen[after[0].Digest]; ok {
				t.Errorf("%s: the digest is that of %s", sql, other)
			}
			seen[after[0].Digest] = sql
			b.exec("TRUNCATE data")
			b.exec("INSERT INTO data TABLE kept ORDER BY timestamp DESC")
			if diff := cmp.Diff(before, b.digest(query)); diff != "" {
				t.Errorf("%s, and back (-before +after):\n%s", sql, diff)
			}
		}
	}
	b.exec("INSERT INTO data (turbine_id, timestamp) VALUES (1, '2025-01-01 00:30Z')")
	if after := b.digest(query); after[0].Digest == before[0].Digest || after[0].Samples != 25 {
		t.Errorf("a sample without readings: %+v, was %+v", after[0], before[0])
	}
}

// A year of a fleet is some thousand lines, in order.
func TestDigestOfManyDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 40) AS i")
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 day', turbine, i, NULL
		FROM generate_series(0, 364) AS i, generate_series(1, 40) AS turbine`)
	lines := b.digest("start=2025-01-01&end=2026-01-01")
	if len(lines) != 365*40 {
		t.Errorf("got %d lines, want %d", len(lines), 365*40)
	}
	if !slices.IsSortedFunc(lines, func(a, b line) int {
		if a.Day == b.Day {
			return int(a.Turbine - b.Turbine)
		}
		return strings.Compare(a.Day, b.Day)
	}) {
		t.Error("the lines are not ordered by day, then turbine")
	}
}

func TestDigestByGeneratedClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	ctx := t.Context()
	api, read := b.api(), apitest.Read(t)
	selectors := []sourceapi.TurbineSelector{"1", "5-9"}
	start, end := timestamp.New(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), timestamp.New(time.Date(2025, 1, 1, 23, 59, 59, 999_999_000, time.UTC))
	digests := apitest.Decode[[]sourceapi.Digest](t, read(api.GetDataDigest(ctx, &sourceapi.GetDataDigestParams{Start: start, End: &end, Turbines: &selectors})), http.StatusOK)
	if len(digests) != 2 {
		t.Fatalf("GetDataDigest: %v", digests)
	}
	got := digests[0]
	if got.Day.String() != "2025-01-01" || got.TurbineId != 1 || got.Samples != 4 || len(got.Digest) != 16 ||
		!got.First.Equal(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) || !got.Last.Equal(time.Date(2025, 1, 1, 23, 59, 59, 999_999_000, time.UTC)) {
		t.Errorf("got %+v", got)
	}

	// The same client asks for a page, and whether it has changed since.
	limit, format := int32(3), "json"
	params := &sourceapi.GetDataParams{Start: start, End: &end, Turbines: &selectors, Limit: &limit, Format: &format}
	page := read(api.GetData(ctx, params))
	tag := page.Header.Get("ETag")
	if len(apitest.Decode[[]sourceapi.Sample](t, page, http.StatusOK)) != 3 || tag == "" || page.Header.Get("Link") == "" {
		t.Fatalf("GetData: %s, %v", page.Body, page.Header)
	}
	params.IfNoneMatch = &tag
	if again := read(api.GetData(ctx, params)); again.Status != http.StatusNotModified || again.Header.Get("ETag") != tag {
		t.Errorf("GetData by its tag: %d, %v", again.Status, again.Header)
	}
}
