package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/pgpool"
)

// where is what a program that reads these variables would connect to.
func where(t *testing.T, dotenv string, environ ...string) (database struct{ User, Password, Host, Name, TLS string }, port uint16) {
	t.Helper()
	c, err := config.Parse[config.Source](load(t, dotenv, environ...))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pgpool.Parse(c.SourceDBURL)
	if err != nil {
		t.Fatalf("%s: %v", c.SourceDBURL, err)
	}
	to := parsed.ConnConfig
	database.User, database.Password, database.Host, database.Name = to.User, to.Password, to.Host, to.Database
	for _, f := range to.Fallbacks {
		if !strings.HasSuffix(database.Host, f.Host) {
			database.Host += "," + f.Host
		}
	}
	if to.TLSConfig != nil {
		database.TLS = "yes"
	}
	return database, to.Port
}

// A flag counts before the environment, and that before .env; a URL before its
// parts, and parts in the environment before what .env has, piece by piece.
func TestDatabasePrecedence(t *testing.T) {
	t.Parallel()
	const (
		fileURL   = "SOURCE_DB_URL=postgres://fu:fp@fh:1/fd?sslmode=disable\n"
		fileParts = "SOURCE_DB_USER=pu\nSOURCE_DB_PASSWORD=pp\nSOURCE_DB_HOST=ph\nSOURCE_DB_PORT=2\nSOURCE_DB_NAME=pd\n"
		put       = fileParts + "SOURCE_DB_URL=postgres://${SOURCE_DB_USER}:${SOURCE_DB_PASSWORD}@${SOURCE_DB_HOST}:${SOURCE_DB_PORT}/${SOURCE_DB_NAME}\n"
		keywords  = "SOURCE_DB_URL=\"host=kh port=3 user=ku password='k p' dbname=kd\"\n"
	)
	tests := []struct {
		name, dotenv string
		environ      []string
		want         string // user:password@host:port/database
	}{
		{"nothing", "", nil, "delfos:delfos@localhost:5433/delfos"},
		{"URL in the file", fileURL, nil, "fu:fp@fh:1/fd"},
		{"parts in the file", fileParts, nil, "pu:pp@ph:2/pd"},
		{"one part in the file", "SOURCE_DB_PORT=2", nil, "delfos:delfos@localhost:2/delfos"},
		{"the file's URL before its parts", fileURL + fileParts, nil, "fu:fp@fh:1/fd"},
		{"a URL of the file's parts", put, nil, "pu:pp@ph:2/pd"},
		{"a part over a URL of parts", put, []string{"SOURCE_DB_PORT=9"}, "pu:pp@ph:9/pd"},
		{"a part over a URL", fileURL, []string{"SOURCE_DB_PASSWORD=a b+&=%"}, "fu:a b+&=%@fh:1/fd"},
		{"a part over keywords", keywords, []string{`SOURCE_DB_PASSWORD=a'\ b`, "SOURCE_DB_PORT=9"}, `ku:a'\ b@kh:9/kd`},
		{"a part over parts", fileParts, []string{"SOURCE_DB_HOST=eh"}, "pu:pp@eh:2/pd"},
		{"the environment's URL", put, []string{"SOURCE_DB_URL=postgres://eu:ep@eh:7/ed", "SOURCE_DB_PORT=9"}, "eu:ep@eh:7/ed"},
		{"the other database's", "TARGET_DB_PORT=2", []string{"TARGET_DB_HOST=eh"}, "delfos:delfos@localhost:5433/delfos"},
		{"nothing in the environment", fileParts, []string{"SOURCE_DB_URL=", "SOURCE_DB_PORT= "}, "pu:pp@ph:2/pd"},
		{"blanks and line ends", "", []string{"SOURCE_DB_URL= postgres://eu:ep@eh:7/ed\n", "SOURCE_DB_PORT=9"}, "eu:ep@eh:7/ed"},
		{"line ends of parts", "", []string{"SOURCE_DB_HOST= eh \n", "SOURCE_DB_PASSWORD= ep \r\n", "SOURCE_DB_PORT=9\n"}, "delfos: ep @eh:9/delfos"},
		{"a socket", "", []string{"SOURCE_DB_HOST=/run/pg", "SOURCE_DB_PORT=9"}, "delfos:delfos@/run/pg:9/delfos"},
		{"IPv6", "", []string{"SOURCE_DB_HOST=fe80::1", "SOURCE_DB_PORT=9"}, "delfos:delfos@fe80::1:9/delfos"},
		{"several hosts", "", []string{"SOURCE_DB_HOST=a,b", "SOURCE_DB_PORT=9"}, "delfos:delfos@a,b:9/delfos"},
		{"a name of any characters", "", []string{"SOURCE_DB_NAME=a/b?c %"}, "delfos:delfos@localhost:5433/a/b?c %"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, port := where(t, test.dotenv, test.environ...)
			if s := fmt.Sprintf("%s:%s@%s:%d/%s", got.User, got.Password, got.Host, port, got.Name); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
		})
	}
	v := load(t, put, "SOURCE_DB_URL=postgres://eh/ed", "SOURCE_DB_PORT=9")
	v.Set("SOURCE_DB_URL", " postgres://flag/fd\n", "--source-db-url")
	if c, err := config.Parse[config.Source](v); err != nil || c.SourceDBURL != "postgres://flag/fd" {
		t.Errorf("flag: got %s, %v, want postgres://flag/fd", c.SourceDBURL, err)
	}
}

// A password has any characters, whichever way it comes; none has to be encoded.
func TestAnyPassword(t *testing.T) {
	t.Parallel()
	every := make([]byte, 0, 255)
	for c := 1; c < 256; c++ {
		every = append(every, byte(c))
	}
	for _, password := range []string{"ab/cd#e%f", "p@ss:w?rd", "%41", "a b", " a ", `a'b"c\d`, "$HOME ${HOME} $$", "grün", string(every)} {
		if got, _ := where(t, "", "SOURCE_DB_PASSWORD="+password); got.Password != password {
			t.Errorf("environment: got %q, want %q", got.Password, password)
		}
		if got, _ := where(t, "SOURCE_DB_URL=postgres://u:p@h/d", "SOURCE_DB_PASSWORD="+password); got.Password != password {
			t.Errorf("environment over a URL: got %q, want %q", got.Password, password)
		}
		path := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := where(t, "", "SOURCE_DB_PASSWORD_FILE="+path+"\n"); got.Password != password {
			t.Errorf("file: got %q, want %q", got.Password, password)
		}
		if !strings.ContainsAny(password, "\r\n'\\") {
			if got, _ := where(t, "SOURCE_DB_PASSWORD='"+password+"'\n"); got.Password != password {
				t.Errorf(".env: got %q, want %q", got.Password, password)
			}
		}
	}
}

// The embedded servers have no TLS; elsewhere it is up to PGSSLMODE, or pgx.
func TestPartsAndTLS(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"localhost": "", "127.0.0.1": "", "::1": "", "/run": "", "db.example.com": "yes", "a,b": "yes"} {
		if got, _ := where(t, "", "SOURCE_DB_HOST="+host); got.TLS != want {
			t.Errorf("%s: got TLS %q, want %q", host, got.TLS, want)
		}
	}
}

func TestURLFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, _ := where(t, "", "SOURCE_DB_URL_FILE="+file("url", "postgres://u:p@h/d\n"), "SOURCE_DB_HOST=other"); got.Host != "h" || got.Password != "p" {
		t.Errorf("got %+v, want user u, password p at h", got)
	}
	bad := file("bad", "postgres://u:hun/ter2@h/d\n")
	tests := []struct {
		name, dotenv string
		environ      []string
		want         string
	}{
		{"not there", "", []string{"SOURCE_DB_PASSWORD_FILE=" + dir + "/none"}, `SOURCE_DB_PASSWORD_FILE is "` + dir + `/none" (no such file or directory): want the path of a file that holds what SOURCE_DB_PASSWORD would`},
		{"both", "SOURCE_DB_URL=x\nSOURCE_DB_URL_FILE=y", nil, `SOURCE_DB_URL_FILE in .env is "y" (SOURCE_DB_URL is set as well): want one of the two`},
		{"no URL", "", []string{"SOURCE_DB_URL_FILE=" + bad}, `the URL in SOURCE_DB_URL_FILE is "(not shown, it may hold a password)" (what stands in the place of its port is not one; in a user's name and a password, such as / ? # % are %-encoded): want a URL such as postgres://user:password@localhost:5432/database`},
		{"port", "SOURCE_DB_PORT=5x", nil, `SOURCE_DB_PORT is "5x": want a port from 1 to 65535`},
		{"reference", "SOURCE_DB_PORT=${NONE}", []string{"SOURCE_DB_HOST=x"}, "SOURCE_DB_PORT in .env refers to ${NONE}, which is not set or empty: want NONE in the environment or above, ${NONE:-default}, or a $ that is meant as such in single quotes"},
	}
	for _, test := range tests {
		_, err := config.Parse[config.Source](load(t, test.dotenv, test.environ...))
		if diff := cmp.Diff(test.want, errText(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// What pgx takes is taken, and a refusal says what is wrong.
func TestDatabaseURLs(t *testing.T) {
	t.Parallel()
	const encoded = "; in a user's name and a password, such as / ? # % are %-encoded"
	for url, why := range map[string]string{
		"postgres:///db?host=/var/run/postgresql":                         "",
		"host=/var/run/postgresql dbname=db":                              "",
		"user=me password='it\\'s' host=h":                                "",
		"postgres://u@[::1]:1,[::2]:2/db":                                 "",
		"postgres://u@a:1,b:2/db?pool_max_conns=8":                        "",
		"postgres://u:p#q@h/db":                                           "",
		"postgres://u:hun/ter2@h/db":                                      "what stands in the place of its port is not one" + encoded,
		"postgres://u:12/hunter2@h/db":                                    "an @ stands behind its first /" + encoded,
		"postgres://u:hun%ter2@h/db":                                      "it can't be read as a URL" + encoded,
		"postgres://h:hunter2/db":                                         "what stands in the place of its port is not one" + encoded,
		"postgres://h/db?pool_max_conns=0":                                "pool_max_conns too small",
		"postgres://h/db?service=none&servicefile=/none":                  "failed to read service (failed to read service file: /none)",
		"postgres://h/db?sslmode=hunter":                                  "failed to configure TLS (sslmode is invalid)",
		"host":                                                            "it is neither a URL nor keywords such as host=localhost dbname=delfos",
		"host=h password=hunter 2":                                        "it can't be read as keywords; a value with blanks stands in single quotes",
		"mysql://u:hunter2@h/db?a=b":                                      "its scheme is not postgres",
		"postgresql://h/db?connect_timeout=5&target_session_attrs=hunter": "unknown target_session_attrs value: hunter",
	} {
		_, err := config.Parse[config.Source](load(t, "", "SOURCE_DB_URL="+url))
		got := errText(err)
		if why == "" && got != "" || why != "" && !strings.Contains(got, " ("+why+"): want a URL such as ") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q, want %q", url, got, why)
		}
	}
}

// A password that is no part of a URL is a variable or a file, not both.
func TestSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(" it's \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ environ, want, fault string }{
		{"ETL_DB_PASSWORD= a b", " a b", ""},
		{"ETL_DB_PASSWORD_FILE=" + path, " it's ", ""},
		{"", "", ""},
		{"ETL_DB_PASSWORD_FILE=none", "", `ETL_DB_PASSWORD_FILE is "none" (no such file or directory): want the path of a file that holds what ETL_DB_PASSWORD would`},
		{"ETL_DB_PASSWORD=a\nETL_DB_PASSWORD_FILE=" + path, "", `ETL_DB_PASSWORD_FILE is "` + path + `" (ETL_DB_PASSWORD is set as well): want one of the two`},
	} {
		c, err := config.Parse[config.Schema](load(t, "", strings.Split(test.environ, "\n")...))
		if c.ETLPassword != test.want || (err == nil) != (test.fault == "") || err != nil && err.Error() != test.fault {
			t.Errorf("%s: got %q, %v, want %q, %s", test.environ, c.ETLPassword, err, test.want, test.fault)
		}
	}
}
