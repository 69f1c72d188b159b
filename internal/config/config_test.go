package config_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/server/httpserve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load reads a .env of the given text (none when empty) below the environment.
func load(t *testing.T, dotenv string, environ ...string) *config.Vars {
	t.Helper()
	v, err := config.Load(environ, write(t, dotenv))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t *testing.T, dotenv string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if dotenv != "" {
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(dotenv), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The file that users copy sets every default.
func TestDefaults(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, dotenv := range []string{"", string(example)} {
		defaults(t, dotenv)
	}
}

func defaults(t *testing.T, dotenv string) {
	t.Helper()
	got, err := config.Parse[config.Demo](load(t, dotenv))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Demo{
		SourceDB:  config.SourceDB{SourceDBURL: "postgres://delfos:delfos@localhost:5433/delfos?sslmode=disable"},
		TargetDB:  config.TargetDB{TargetDBURL: "postgres://delfos:delfos@localhost:5434/delfos?sslmode=disable"},
		API:       config.API{APIAddr: "127.0.0.1:8000"},
		Console:   config.Console{ConsoleAddr: "127.0.0.1:3000"},
		Schedule:  config.Schedule{Cron: "0 1 * * *", CatchUpDays: 7, StaleDays: 30, TodayEvery: 10 * time.Minute},
		Retention: config.Retention{RunRetention: 400 * 24 * time.Hour, JobRetention: 7 * 24 * time.Hour},
		Metrics:   config.Metrics{Pprof: "off"},
		Log:       config.Log{LogLevel: "info"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const dotenv = "# a comment\nAPI_ADDR=127.0.0.1:1\nexport LOG_LEVEL=debug\nLOG_FORMAT='json'\n"
	tests := []struct {
		name    string
		environ []string
		flag    string
		want    string
	}{
		{"file", nil, "", "127.0.0.1:1"},
		{"environment over file", []string{"API_ADDR=127.0.0.1:2"}, "", "127.0.0.1:2"},
		{"flag over both", []string{"API_ADDR=127.0.0.1:2"}, "127.0.0.1:3", "127.0.0.1:3"},
		{"empty is unset", []string{"API_ADDR="}, "", "127.0.0.1:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := load(t, dotenv, test.environ...)
			if test.flag != "" {
				v.Set("API_ADDR", test.flag, "--api-addr")
			}
			c, err := config.Parse[config.Serve](v)
			if err != nil {
				t.Fatal(err)
			}
			if c.APIAddr != test.want {
				t.Errorf("API_ADDR: got %s, want %s", c.APIAddr, test.want)
			}
			if c.LogLevel != "debug" || c.LogFormat != "json" {
				t.Errorf("log: got %s %s, want debug json", c.LogLevel, c.LogFormat)
			}
		})
	}
}

func TestFaultsAreReportedTogetherAndNamed(t *testing.T) {
	t.Parallel()
	v := load(t, "API_ADDR=8000\n", "SOURCE_DB_URL=mysql://me:secret@db/delfos", "LOG_LEVEL=loud")
	v.Set("LOG_FORMAT", "xml", "--log-format")
	_, err := config.Parse[config.Serve](v)
	if err == nil {
		t.Fatal("got no error")
	}
	want := strings.Join([]string{
		`SOURCE_DB_URL is "mysql://me:xxxxx@db/delfos" (its scheme is not postgres): want a URL such as postgres://user:password@localhost:5432/database`,
		`API_ADDR in .env is "8000": want HOST:PORT such as 127.0.0.1:8000, or :8000 for every address`,
		`LOG_LEVEL is "loud": want one of debug, info, warn, error`,
		`--log-format is "xml": want one of text, json`,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"SOURCE_DB_URL", "postgresql://db/delfos", true},
		{"SOURCE_DB_URL", "postgres://db", true},
		{"SOURCE_DB_URL", "mysql://db/delfos?a=b", false},
		{"API_ADDR", ":8000", true},
		{"API_ADDR", "[::1]:0", true},
		{"API_ADDR", "localhost", false},
		{"API_ADDR", "localhost:http", false},
		{"API_ADDR", "localhost:65536", false},
		{"ALLOWED_HOSTS", "delfos.example.org, api,10.0.0.7,2001:db8::1", true},
		{"ALLOWED_HOSTS", "https://delfos.example.org", false},
		{"ALLOWED_HOSTS", "delfos.example.org:8000", false},
		{"ALLOWED_HOSTS", "*", false},
		{"CORS_ORIGINS", "https://a.example, http://localhost:8888", true},
		{"CORS_ORIGINS", "*", false},
		{"CORS_ORIGINS", "https://*.a.example", false},
		{"CORS_ORIGINS", "https://a.example/", false},
		{"CORS_ORIGINS", "https://a.example/page", false},
		{"CORS_ORIGINS", "a.example", false},
		{"CORS_ORIGINS", "null", false},
		{"BASE_PATH", "/delfos/", true},
		{"BASE_PATH", "delfos", false},
		{"BASE_PATH", "//evil.example", false},
		{"TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16,2001:db8::/32", true},
		{"TRUSTED_PROXIES", "proxy", false},
		{"TRUSTED_PROXIES", "10.0.0.0/33", false},
		{"LOG_LEVEL", "WARN", true},
		{"LOG_LEVEL", "info+1", false},
	}
	for _, test := range tests {
		_, err := config.Parse[config.Serve](load(t, "", test.name+"="+test.value))
		if (err == nil) != test.ok {
			t.Errorf("%s=%s: got %v, want ok %t", test.name, test.value, err, test.ok)
		}
	}
	for value, ok := range map[string]bool{
		"https://api.example.com/delfos": true,
		"api:8000":                       false,
		"ftp://api":                      false,
		"http://":                        false,
	} {
		_, err := config.Parse[config.ETL](load(t, "", "SOURCE_API_URL="+value))
		if (err == nil) != ok {
			t.Errorf("SOURCE_API_URL=%s: got %v, want ok %t", value, err, ok)
		}
	}
}

func TestQueueValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, want string }{
		{"CONSOLE_ADDR", ":3000", ""},
		{"CONSOLE_ADDR", "3000", `CONSOLE_ADDR is "3000": want HOST:PORT such as 127.0.0.1:3000, or :3000 for every address`},
		{"METRICS_ADDR", "9464", `METRICS_ADDR is "9464": want HOST:PORT such as 127.0.0.1:9464, or :9464 for every address`},
		{"CATCH_UP_DAYS", "20000", ""},
		{"CATCH_UP_DAYS", "0", `CATCH_UP_DAYS is "0": want a whole number from 1 to 20000`},
		{"CATCH_UP_DAYS", "week", `CATCH_UP_DAYS is "week": want a whole number from 1 to 20000`},
		{"NOTIFY_URL", "https://alerts.example.org/hook/s3cret?farm=north", ""},
		{"NOTIFY_URL", "ftp://alerts/s3cret", "NOTIFY_URL is not one that events can be sent to (not shown, it may hold a secret): want an http or https URL such as https://alerts.example.org/delfos?farm=north"},
		{"NOTIFY_URL", "alerts.example.org/s3cret", "NOTIFY_URL is not one that events can be sent to (not shown, it may hold a secret): want an http or https URL such as https://alerts.example.org/delfos?farm=north"},
		{"TODAY_EVERY", "0", ""},
		{"TODAY_EVERY", "1m", ""},
		{"TODAY_EVERY", "90s", ""},
		{"TODAY_EVERY", "59s", `TODAY_EVERY is "59s": want a time of at least 1m such as 10m, or 0`},
		{"TODAY_EVERY", "-10m", `TODAY_EVERY is "-10m": want a time of at least 1m such as 10m, or 0`},
		{"TODAY_EVERY", "10", `TODAY_EVERY is "10": want a time of at least 1m such as 10m, or 0`},
		{"STALE_DAYS", "0", ""},
		{"SOURCE_RETENTION_DAYS", "14", ""},
		{"SOURCE_RETENTION_DAYS", "-1", `SOURCE_RETENTION_DAYS is "-1": want a whole number from 0 to 20000`},
		{"STALE_DAYS", "-1", `STALE_DAYS is "-1": want a whole number from 0 to 20000`},
		{"STALE_DAYS", "1.5", `STALE_DAYS is "1.5": want a whole number from 0 to 20000`},
		{"PARTITION_START", "2025-01-31", ""},
		{"PARTITION_START", "0225-01-01", `PARTITION_START is "0225-01-01": want a day such as 2025-01-31, not before 1980-01-01`},
		{"PARTITION_START", "0001-01-01", `PARTITION_START is "0001-01-01": want a day such as 2025-01-31, not before 1980-01-01`},
		{"PARTITION_START", "2025-02-30", `PARTITION_START is "2025-02-30": want a day such as 2025-01-31, not before 1980-01-01`},
		{"PARTITION_START", "01.02.2025", `PARTITION_START is "01.02.2025": want a day such as 2025-01-31, not before 1980-01-01`},
		{"RUN_RETENTION_DAYS", "0", ""},
		{"RUN_RETENTION_DAYS", "20001", `RUN_RETENTION_DAYS is "20001": want a whole number from 0 to 20000`},
		{"JOB_RETENTION_DAYS", "1", ""},
		{"JOB_RETENTION_DAYS", "0", `JOB_RETENTION_DAYS is "0": want a whole number from 1 to 20000`},
	}
	for _, test := range tests {
		_, err := config.Parse[config.Orchestrate](load(t, "", test.name+"="+test.value))
		if got := errText(err); got != test.want {
			t.Errorf("%s=%s: got %q, want %q", test.name, test.value, got, test.want)
		}
	}
	c, err := config.Parse[config.Orchestrate](load(t, "PARTITION_START=2025-01-31\nRUN_RETENTION_DAYS=2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.PartitionStart; got == nil || !got.Equal(time.Date(2025, time.January, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("PARTITION_START: got %s", got)
	}
	if c.RunRetention != 48*time.Hour || c.JobRetention != 7*24*time.Hour || c.StaleDays != 30 {
		t.Errorf("got retention of %s and %s, and %d days", c.RunRetention, c.JobRetention, c.StaleDays)
	}
	_, err = config.Parse[config.Client](load(t, "", "TARGET_API_URL=localhost:3000"))
	if got, want := errText(err), `TARGET_API_URL is "localhost:3000": want an http or https URL such as http://localhost:3000`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	c, err := config.Parse[config.Serve](load(t, "", "ALLOWED_HOSTS=a.example, b.example,", "BASE_PATH=/delfos/", "TRUSTED_PROXIES=10.0.0.7,10.1.2.3/16", "CORS_ORIGINS=https://a.example"))
	if err != nil {
		t.Fatal(err)
	}
	want := httpserve.Access{
		Addr: ":8000", Hosts: []string{"a.example", "b.example"}, BasePath: "/delfos",
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.1.0.0/16")},
		Origins: []string{"https://a.example"},
	}
	if diff := cmp.Diff(want, c.At(":8000"), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMalformedFileNamesItsLineAndQuotesNothing(t *testing.T) {
	t.Parallel()
	_, err := config.Load(nil, write(t, "LOG_LEVEL=info\n\nnot a variable\nTARGET_DB_URL=postgres://u:secret@h/d\n"))
	want := "read .env: line 3: want NAME=value, a comment or nothing"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	const hidden = "(not shown, it may hold a password)"
	tests := []struct{ value, want string }{
		{"postgres://u@h:1/d", "postgres://u@h:1/d"},
		{"postgres://u:secret@h:1/d?sslmode=disable", "postgres://u:xxxxx@h:1/d?sslmode=disable"},
		{"postgres://h/d?password=secret&user=u", "postgres://h/d?password=xxxxx&user=u"},
		{"postgres://u:se/cret@h/d", hidden},
		{"postgres://u:12/cret@h/d", hidden},
		{"postgres://u:se%zzcret@h/d", hidden},
		{"postgres:///d?host=/run&password=se;cret", "postgres:///d?host=/run&password=xxxxx"},
		{"postgres://u:secret@[::1]:1,[::2]:2/d", "postgres://u:xxxxx@[::1]:1,[::2]:2/d"},
		{"host=h password=secret", "host=h password=xxxxx"},
		{`host=h password = 'se\'cret \\' user=u`, "host=h password = xxxxx user=u"},
		{`host=h password=se\ cret user=u`, "host=h password=xxxxx user=u"},
		{"mysql://u:secret@h/d?a=b", "mysql://u:xxxxx@h/d?a=b"},
		{"http://h/?password=se;cret", hidden},
		{"u:secret@h", hidden},
		{"localhost:5433", "localhost:5433"},
		{"nonsense", "nonsense"},
	}
	for _, test := range tests {
		if got := config.Redact(test.value); got != test.want {
			t.Errorf("Redact(%q): got %q, want %q", test.value, got, test.want)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	var got []string
	for _, v := range config.Variables[config.Postgres]() {
		if v.Kind == "" || v.Help == "" {
			t.Errorf("%s has no kind or no help", v.Name)
		}
		got = append(got, v.Name)
	}
	want := []string{"SOURCE_DB_URL", "TARGET_DB_URL", "DELFOS_PG_BIN", "LOG_LEVEL", "LOG_FORMAT"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		log      config.Log
		terminal bool
		json     bool
	}{
		{config.Log{LogLevel: "warn"}, true, false},
		{config.Log{LogLevel: "warn"}, false, true},
		{config.Log{LogLevel: "warn", LogFormat: "json"}, true, true},
		{config.Log{LogLevel: "warn", LogFormat: "TEXT"}, false, false},
	}
	for _, test := range tests {
		var b strings.Builder
		log, _ := test.log.Logger(&b, test.terminal)
		log.Info("hidden")
		log.Warn("shown", slog.Int("n", 1))
		if got := strings.HasPrefix(b.String(), "{"); got != test.json || strings.Contains(b.String(), "hidden") {
			t.Errorf("%+v on terminal %t: got %s", test.log, test.terminal, b.String())
		}
	}
}
