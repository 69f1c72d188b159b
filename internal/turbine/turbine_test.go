package turbine_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/turbine"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// importText does what the command does with a file.
func importText(t *testing.T, pool *pgxpool.Pool, text string) error {
	t.Helper()
	rows, err := turbine.ReadFile("farm.csv", strings.NewReader(text))
	if err != nil {
		return err
	}
	_, err = turbine.Write(t.Context(), pool, rows)
	return err
}

// stored is what is known of the turbines.
func stored(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	turbines, err := turbine.List(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, stored := range turbines {
		line := []string{string(stored["id"])}
		for _, column := range turbine.Attributes() {
			line = append(line, stored.Text(column))
		}
		lines = append(lines, strings.Join(line, ","))
	}
	return lines
}

func TestEveryAttributeComesBackAsItWasGiven(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
	want := []string{
		"1,Turbine 1,1m,,,,,,,,,,",
		"7,Nord 1,10m,2050.5,3.5,25,82,80,-3.25,48.4509,-5.59,2009-03-01,2029-12-31",
		"2147483647,é,1h,0.0000001,,,,,,,,0001-01-01,9999-12-31",
	}
	header := "id," + strings.Join(turbine.Names(), ",")
	if err := importText(t, pool, "\ufeff"+header+"\r\n"+strings.Join(want[1:], "\r\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stored(t, pool)); diff != "" {
		t.Errorf("turbines (-want +got):\n%s", diff)
	}
}

// Names change places within one file: only what it leaves behind counts.
func TestNamesChangePlaces(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
	for _, text := range []string{"id,name\n1,North\n2,South\n", "id,name\n2,North\n1,South\n"} {
		if err := importText(t, pool, text); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"1,South,1m,,,,,,,,,,", "2,North,1m,,,,,,,,,,"}, stored(t, pool)); diff != "" {
		t.Errorf("turbines (-want +got):\n%s", diff)
	}
	// Two that had the same name before may be changed.
	pgtest.Exec(t, pool, "UPDATE turbine SET name = 'Same'")
	if err := importText(t, pool, "id,name,altitude\n1,Same,5\n"); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
	pgtest.Exec(t, pool, "UPDATE turbine SET cut_in = 3, commissioned = '2009-03-01'")
	before := stored(t, pool)
	const wanted = "wanted are id and any of name, sample_interval, rated_power, cut_in, cut_out, rotor_diameter, hub_height, " +
		"altitude, latitude, longitude, commissioned, decommissioned, separated by commas"
	for text, want := range map[string]string{
		"":                                "line 1: the header is missing: " + wanted,
		"id,colour,name,size\n":           `line 1: unknown "colour", "size": ` + wanted,
		"id;name\n":                       `line 1: unknown "id;name": ` + wanted,
		"name\n":                          "line 1: the column id is missing: " + wanted,
		"id,name, Name\n":                 "line 1: the column name stands twice",
		"id,name\n1,a,b\n":                "line 2: the line has not as many fields as the header",
		"id,name\n1,a\"b\n":               `line 2: bare " in non-quoted-field`,
		"id,name\n0,a\n":                  `line 2: id is "0": want an id from 1 to 2147483647`,
		"id,name\n5,a\n\n5,b\n":           `line 4: id is "5": it stands in line 2 already`,
		"id,name\n5,a\tb\n":               `line 2: name is "a\tb": want UTF-8 without control characters`,
		"id,name\n5,\xff\n":               `line 2: name is "\xff": want UTF-8 without control characters`,
		"id,cut_in\n5,NaN\n":              `line 2: cut_in is "NaN": want a number such as 82.5`,
		"id,cut_in\n5,1e999\n":            `line 2: cut_in is "1e999": want a number such as 82.5`,
		"id,commissioned\n5,0000-01-01\n": `line 2: commissioned is "0000-01-01": want a day such as 2009-03-01`,
		"id,sample_interval\n5,\n":        `line 2: sample_interval is "": want a length of time such as 10m, or seconds such as 600`,

		// The rules of the database, each by its own name.
		"id,name\n5,\n":                         `line 2: name is "": want a name`,
		"id,name\n5,Turbine 1\n":                `line 2: name is "Turbine 1": turbine 1 has this name; want another`,
		"id,sample_interval\n5,0\n":             `line 2: sample_interval is "0": want 1s to 24h`,
		"id,sample_interval\n5,24h1s\n":         `line 2: sample_interval is "24h1s": want 1s to 24h`,
		"id,sample_interval\n5,1500ms\n":        `line 2: sample_interval is "1500ms": want whole seconds`,
		"id,rated_power\n5,0\n":                 `line 2: rated_power is "0": want a number above 0`,
		"id,cut_in\n5,-1\n":                     `line 2: cut_in is "-1": want a number above 0`,
		"id,cut_out\n5,0\n":                     `line 2: cut_out is "0": want a number above 0`,
		"id,cut_in,cut_out\n5,25,4\n":           `line 2: cut_in is "25", farm.csv: line 2: cut_out is "4": want cut_in below cut_out`,
		"id,cut_out\n1,2\n":                     `cut_in is 3, farm.csv: line 2: cut_out is "2": want cut_in below cut_out`,
		"id,rotor_diameter\n5,0\n":              `line 2: rotor_diameter is "0": want a number above 0`,
		"id,hub_height\n5,0\n":                  `line 2: hub_height is "0": want a number above 0`,
		"id,altitude\n5,9001\n":                 `line 2: altitude is "9001": want -500 to 9000`,
		"id,latitude\n5,-90.1\n":                `line 2: latitude is "-90.1": want -90 to 90`,
		"id,longitude\n5,181\n":                 `line 2: longitude is "181": want -180 to 180`,
		"id,decommissioned\n7,\n1,2009-02-28\n": `commissioned is "2009-03-01", farm.csv: line 3: decommissioned is "2009-02-28": want commissioned not after decommissioned`,
	} {
		err := importText(t, pool, text)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: got the error %v, want %s", text, err, want)
		}
	}
	if diff := cmp.Diff(before, stored(t, pool)); diff != "" {
		t.Errorf("turbines after refusals (-want +got):\n%s", diff)
	}
}

// Every CHECK has words. What is read lets no id or day through that breaks the others.
func TestEveryRuleHasWords(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.As(t, pgtest.Import, pgtest.Source(t)))
	got := pgtest.Query[[]string](t, pool, `SELECT array_agg(conname::text ORDER BY conname) FROM pg_constraint
		WHERE conrelid = 'turbine'::regclass AND contype = 'c' AND conname NOT IN ('turbine_id_positive', 'turbine_days_writable')`)
	if diff := cmp.Diff(got, turbine.RuleNames()); diff != "" {
		t.Errorf("rules (-database +words):\n%s", diff)
	}
}
