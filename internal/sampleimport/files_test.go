package sampleimport_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/delfos/delfos/internal/sampleimport"
)

// importing imports files. It returns the first samples, and what was said.
func importing(t *testing.T, pool *pgxpool.Pool, opts sampleimport.Options, files ...sampleimport.File) (samples, said []string, err error) {
	t.Helper()
	opts.Say = func(line string) { said = append(said, line) }
	result, err := sampleimport.Run(t.Context(), pool, files, opts)
	for _, s := range result.First {
		words := []string{fmt.Sprint(s.TurbineID), s.Timestamp.String()}
		for _, v := range s.Readings {
			if v == nil {
				words = append(words, "-")
			} else {
				words = append(words, fmt.Sprint(*v))
			}
		}
		samples = append(samples, strings.Join(words, " "))
	}
	return samples, said, err
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// zipped returns an archive of files, name and text in turn.
func zipped(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = io.WriteString(f, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDialects imports files as other programs write them, each in the form that
// the options tell or that is plain from the file.
func TestDialects(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	const (
		two    = "timestamp,wind_speed,power,ambient_temperature\n2025-01-02T00:00:00Z,5.25,-12,21\n2025-01-02T00:10:00Z,6,,20.5\n"
		german = "timestamp;wind_speed;power;ambient_temperature\n2025-01-02 00:00:00;5,25;-12;21\n2025-01-02 00:10:00;6;;20,5\n"
	)
	want := []string{"1 2025-01-02T00:00:00Z 5.25 -12 21", "1 2025-01-02T00:10:00Z 6 - 20.5"}
	tabs := strings.ReplaceAll(two, ",", "\t")
	encoded := func(encode func(string) (string, error), text string) string {
		t.Helper()
		s, err := encode(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	utf16 := func(order unicode.Endianness, mark unicode.BOMPolicy) func(string) (string, error) {
		return unicode.UTF16(order, mark).NewEncoder().String
	}
	scada := "# Turbine: R80711\n# Exported by x\nTime stamp,Wind [m/s], P [W] ,T °C,Remark\nunit,m/s,W,°C,\n"
	for name, tt := range map[string]struct {
		text   string
		format sampleimport.Format
		said   string
	}{
		"Delfos's own":                  {text: two},
		"semicolons, decimal comma":     {german, sampleimport.Format{}, "separated by semicolons, decimal comma"},
		"the same, told":                {german, sampleimport.Format{Delimiter: "semicolon", Decimal: "comma"}, ""},
		"semicolons, decimal point":     {strings.ReplaceAll(two, ",", ";"), sampleimport.Format{}, "separated by semicolons"},
		"Excel's line with a delimiter": {"sep=|\r\n" + strings.ReplaceAll(two, ",", "|"), sampleimport.Format{}, "separated by vertical bars"},
		"tabs":                          {tabs, sampleimport.Format{}, "separated by tabs"},
		"tabs in Latin-1, by number": {
			encoded(charmap.ISO8859_1.NewEncoder().String, strings.Replace(tabs, "ambient_temperature", "Temperatur °C", 1)),
			sampleimport.Format{Map: []string{"#4=ambient_temperature"}},
			"separated by tabs",
		},
		"tabs in Latin-1, by name": {
			encoded(charmap.ISO8859_1.NewEncoder().String, strings.Replace(tabs, "ambient_temperature", "Temperatur °C", 1)),
			sampleimport.Format{Map: []string{"temperatur °c=ambient_temperature"}, Encoding: "latin1"},
			"separated by tabs",
		},
		"UTF-16 with a mark":                   {encoded(utf16(unicode.LittleEndian, unicode.UseBOM), two), sampleimport.Format{}, ""},
		"UTF-16 without":                       {encoded(utf16(unicode.BigEndian, unicode.IgnoreBOM), two), sampleimport.Format{Encoding: "utf-16be"}, ""},
		"a mark and CRLF":                      {"\ufeff" + strings.ReplaceAll(two, "\n", "\r\n"), sampleimport.Format{}, ""},
		"CR alone":                             {strings.ReplaceAll(two, "\n", "\r"), sampleimport.Format{}, ""},
		"gzip":                                 {gzipped(t, german), sampleimport.Format{}, "separated by semicolons, decimal comma"},
		"zip with one file":                    {zipped(t, "__MACOSX/x", "", "a.csv", two), sampleimport.Format{}, ""},
		"zip in gzip":                          {gzipped(t, zipped(t, "a.csv", two)), sampleimport.Format{}, ""},
		"names in capitals and blanks":         {strings.Replace(two, "timestamp,wind_speed", " Timestamp , WIND_SPEED", 1), sampleimport.Format{}, ""},
		"fields in quotes, with line ends":     {"timestamp,wind_speed,\"Re\"\"mark\nhere\",power,ambient_temperature\n\"2025-01-02\", \"5.25\" ,\"a,b\nc\",-12,21\n2025-01-02T00:10,6,,,20.5\n", sampleimport.Format{Map: []string{"power=power"}}, ""},
		"spaces":                               {strings.NewReplacer(",,", "  NA ", ",", "   ", "\n", " \n").Replace(two), sampleimport.Format{Delimiter: "space", Null: []string{"na"}}, ""},
		"missing as NaN, -999 and #N/A":        {strings.Replace(two, ",,", ",-999.0,", 1) + "2025-01-02T00:20Z,nan,#N/A,NULL\n", sampleimport.Format{Null: []string{"-999", "NaN", "#N/A", "null"}}, ""},
		"blank lines, comments and delimiters": {"\n# of a farm\n" + strings.Replace(two, "\n", "\n\n  \n,,,\n# half\n", 1), sampleimport.Format{Comment: "#"}, ""},
		"a header further down, units below, other names, other units": {
			scada + "2025-01-02,5.25,-12000,21,ok\n2025-01-02T00:10,6,,20.5,5\" pipe\n",
			sampleimport.Format{
				HeaderLine: 3, SkipLines: 1, Scale: []string{"power=0.001"},
				Map: []string{"Time Stamp=timestamp", "wind [m/s]=wind_speed", "P [W]=power", "#4=ambient_temperature"},
			},
			"",
		},
		"a header that is a comment": {"# x\n# timestamp," + strings.TrimPrefix(two, "timestamp,"), sampleimport.Format{HeaderLine: 2, Comment: "#"}, ""},
		"day first, strptime":        {dated(two, "02.01.2025 0:00", "2.1.2025 00:10"), sampleimport.Format{DateFormat: "%d.%m.%Y %H:%M"}, ""},
		"month first, Go":            {dated(two, "1/2/2025 12:00 AM", "1/2/2025 12:10 AM"), sampleimport.Format{DateFormat: "1/2/2006 3:04 PM"}, ""},
		"an offset, strptime":        {dated(two, "20250102 0100+0100", "20250101 1910-05:00"), sampleimport.Format{DateFormat: "%Y%m%d %H%M%z", TimeZone: "Asia/Tokyo"}, ""},
		"Unix time":                  {dated(two, "1735776000", "1735776600.0"), sampleimport.Format{DateFormat: "unix", TimeZone: "Asia/Tokyo"}, ""},
		"Unix time in milliseconds":  {dated(two, "1735776000000", "1735776600000"), sampleimport.Format{DateFormat: "unix_ms"}, ""},
		"Excel's days":               {dated(two, "45659.04166666", "45659.0486"), sampleimport.Format{DateFormat: "excel", TimeZone: "+01:00"}, ""},
		"local time":                 {dated(two, "2025-01-02T03:00", "2025-01-02 00:10Z"), sampleimport.Format{TimeZone: "Europe/Istanbul"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := want
			switch name {
			case "missing as NaN, -999 and #N/A":
				want = append(want[:2:2], "1 2025-01-02T00:20:00Z - - -")
			case "Excel's days":
				want = []string{want[0], "1 2025-01-02T00:09:59Z 6 - 20.5"} // 0.0486 days are rounded in the file
			}
			samples, said, err := importing(t, pool, sampleimport.Options{Format: tt.format, DryRun: true}, file("a.csv", tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, samples); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if got := strings.Join(said, "\n"); tt.said == "" && got != "" || tt.said != "" && got != "a.csv: "+tt.said {
				t.Errorf("said %q, want %q", got, tt.said)
			}
		})
	}
	if got := rows(t, pool); len(got) > 0 {
		t.Errorf("dry runs left %s", got)
	}
}

// dated puts two other times into the text of two rows.
func dated(text, first, second string) string {
	return strings.NewReplacer("2025-01-02T00:00:00Z", first, "2025-01-02T00:10:00Z", second).Replace(text)
}

// TestRefusals says what a file is, and what to do about it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	const row = "2025-01-02,1,2,3\n"
	wanted := "wanted are timestamp, at least one of wind_speed, power, ambient_temperature, and turbine_id or turbine if there are several turbines; --map COLUMN=NAME tells which column is one of them, and leaves the rest out"
	for name, tt := range map[string]struct {
		text    string
		options sampleimport.Options
		want    string
	}{
		"a Git LFS pointer":  {text: "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", want: "a.csv: the file is a Git LFS pointer; `git lfs pull` fetches the file itself"},
		"a web page":         {text: "\n<!DOCTYPE html><html>", want: "a.csv: the file is a web page; download the file that the page is about"},
		"an Excel workbook":  {text: zipped(t, "[Content_Types].xml", "", "xl/workbook.xml", ""), want: "a.csv: the file is an Excel workbook (.xlsx); save it as CSV"},
		"an older one":       {text: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", want: "a.csv: the file is an Excel workbook (.xls); save it as CSV"},
		"zip with two files": {text: zipped(t, "jan.csv", header, "feb.csv", header), want: `a.csv: the zip archive holds 2 files, want one: "jan.csv", "feb.csv"`},
		"Zstandard":          {text: "\x28\xb5\x2f\xfd...", want: "a.csv: the file is packed by Zstandard; unpack it (zstd -d)"},
		"half a Parquet":     {text: "PAR1....", want: "a.csv: "},
		"UTF-16, not told":   {text: "t\x00i\x00m\x00e\x00", want: "a.csv: the file holds NUL bytes; --encoding utf-16le or utf-16be reads UTF-16, other binary files are not read"},
		"unknown columns": {
			text: "Zeit;Wind;power\n2025-01-02;5,25;1\n",
			want: `a.csv: line 1: unknown column "Zeit", "Wind" (separated by semicolons): ` + wanted,
		},
		"Latin-1, not told": {
			text: "timestamp\tWind\xb0\n" + "2025-01-02\t1\n",
			want: `a.csv: line 1: unknown column "Wind\xb0" (separated by tabs): ` + wanted + "; the header is not UTF-8, --encoding windows-1252 or another reads it",
		},
		"a column that is not there": {
			text: header + row, options: sampleimport.Options{Format: sampleimport.Format{Map: []string{"P=power", "#9=wind_speed"}}},
			want: `a.csv: line 1: column "P", "#9" is not in the header, which has "timestamp", "wind_speed", "power", "ambient_temperature"`,
		},
		"a name for two columns": {
			text: "timestamp,a,b\n", options: sampleimport.Options{Format: sampleimport.Format{Map: []string{"a=power", "b=power"}}},
			want: `a.csv: line 1: power is in two columns, "a" (#2) and "b" (#3)`,
		},
		"lines are those of the file": {
			text:    "x\r\"y\rz\rtimestamp,wind_speed\r(s),(m/s)\r\r2025-01-02,1\r2025-01-03,\"1\r\"\"\r\"\r",
			options: sampleimport.Options{Format: sampleimport.Format{HeaderLine: 4, SkipLines: 1}},
			want:    `a.csv: line 8: wind_speed: "1\n\"" is not a number such as -12.5 or 1e3; --null "1\n\"" makes it a missing reading`,
		},
		"an overlong first row": {
			text: header + "2025-01-02,1,2,3,4\n",
			want: "a.csv: line 2: ambient_temperature: something follows the last field: the header has 4 fields, the line 5",
		},
		"thousands": {
			text: "timestamp;power\n2025-01-02;1,234\n",
			want: `a.csv: line 2: power: "1,234" is not a number such as -12.5 or 1e3; --decimal comma tells another decimal sign`,
		},
		"a day before a month": {
			text: header + "02.01.2025 00:10,1,2,3\n",
			want: `a.csv: line 2: timestamp: "02.01.2025 00:10" is not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01; --date-format "%d.%m.%Y %H:%M" reads it`,
		},
		"a day or a month": {
			text: header + "02/01/2025 0:10,1,2,3\n",
			want: `a.csv: line 2: timestamp: "02/01/2025 0:10" is not a timestamp such as 2025-01-01T00:00:00Z, 2025-01-01T00:00:00 (UTC) or 2025-01-01; --date-format "%d/%m/%Y %H:%M" or "%m/%d/%Y %H:%M" reads it`,
		},
		"a clock that was never set": {
			text: header + "1970-01-01,1,2,3\n",
			want: "a.csv: line 2: timestamp: 1970-01-01T00:00:00Z is before 1980-01-01, as of a clock that was never set; --allow-dates takes it",
		},
		"a clock far ahead": {
			text: header + "2999-01-01,1,2,3\n",
			want: "a.csv: line 2: timestamp: 2999-01-01T00:00:00Z is more than a day ahead of now; --allow-dates takes it",
		},
		"faults of the options, all at once": {
			options: sampleimport.Options{Format: sampleimport.Format{
				Map: []string{"power"}, Scale: []string{"power=x"}, TimeZone: "Mars", DateFormat: "%Q", Delimiter: "::", Decimal: "x", HeaderLine: -1, Encoding: "x",
			}},
			want: `import: date-format is "%Q": want a strptime format such as %d.%m.%Y %H:%M: strftime: unsupported directive: %Q ` + `
decimal is "x": want point or comma
delimiter is "::": want one ASCII character, or comma, semicolon, tab, space or pipe
encoding is "x": want a name such as utf-8, utf-16le, iso-8859-1, windows-1252 or gbk
header-line is "-1": want a number of lines
map is "power": want COLUMN=NAME, with a name of timestamp, turbine, turbine_id, wind_speed, power, ambient_temperature
scale is "power=x": want VARIABLE=FACTOR, such as power=0.001, with a variable of wind_speed, power, ambient_temperature
time-zone is "Mars": want a name such as Europe/Berlin, UTC, or an offset such as +03:00`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := importing(t, pool, tt.options, file("a.csv", tt.text))
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if name == "half a Parquet" { // what follows is the library's
				if !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if _, _, err := importing(t, pool, sampleimport.Options{AllowDates: true}, file("a.csv", header+"1970-01-01,1,2,3\n")); err != nil {
		t.Error(err)
	}
}
