package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// SourceDB says where the source database is.
type SourceDB struct {
	SourceDBURL string `env:"SOURCE_DB_URL" envDefault:"postgres://delfos:delfos@localhost:5433/delfos?sslmode=disable" help:"source database" kind:"URL"`
}

func (c SourceDB) faults() []Fault { return database("SOURCE_DB_URL", c.SourceDBURL) }

// TargetDB says where the target database is.
type TargetDB struct {
	TargetDBURL string `env:"TARGET_DB_URL" envDefault:"postgres://delfos:delfos@localhost:5434/delfos?sslmode=disable" help:"target database" kind:"URL"`
}

func (c TargetDB) faults() []Fault { return database("TARGET_DB_URL", c.TargetDBURL) }

// wantURL is what a database's URL has to look like.
const wantURL = "a URL such as postgres://user:password@localhost:5432/database" //nolint:gosec // no password, the word

func database(variable, value string) []Fault {
	u, err := url.Parse(value)
	if err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Host != "" && len(u.Path) > 1 {
		return nil
	}
	return []Fault{{Variable: variable, Value: Redact(value), Want: wantURL}}
}

// Atlas says where a schema is planned.
type Atlas struct {
	DevURL string `env:"ATLAS_DEV_URL" help:"empty scratch database to plan in; without it one is created beside the database and dropped" kind:"URL"`
}

func (c Atlas) faults() []Fault {
	if c.DevURL == "" {
		return nil
	}
	return database("ATLAS_DEV_URL", c.DevURL)
}

// SourceAPI says where the source API answers.
type SourceAPI struct {
	SourceAPIURL string `env:"SOURCE_API_URL" envDefault:"http://localhost:8000" help:"source API to read from" kind:"URL"`
}

func (c SourceAPI) faults() []Fault {
	return service("SOURCE_API_URL", c.SourceAPIURL, "http://localhost:8000")
}

// service holds the URL of a server to what a client needs; such is an example.
func service(variable, value, such string) []Fault {
	u, err := url.Parse(value)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.RawQuery == "" && u.Fragment == "" {
		return nil
	}
	return []Fault{{Variable: variable, Value: Redact(value), Want: "an http or https URL such as " + such}}
}

// API says where the source API listens.
type API struct {
	APIAddr string `env:"API_ADDR" envDefault:"127.0.0.1:8000" help:"address of the source API" kind:"HOST:PORT"`
}

func (c API) faults() []Fault {
	return address("API_ADDR", c.APIAddr, "127.0.0.1:8000, or :8000 for every address")
}

// address holds an address to listen on to its form; such are examples.
func address(variable, value, such string) []Fault {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil {
		return nil
	}
	return []Fault{{Variable: variable, Value: value, Want: "HOST:PORT such as " + such}}
}

// Embedded says where the programs of the embedded PostgreSQL are.
type Embedded struct {
	PGBin string `env:"DELFOS_PG_BIN" help:"folder of PostgreSQL's server programs, looked for when empty" kind:"DIR"`
}

// Redact hides what may be a password in a URL; of what is no URL and may hold
// one it shows nothing, since nobody can tell where in it.
func Redact(value string) string {
	const hidden = "(not shown, it may hold a password)"
	u, err := url.Parse(value)
	if err != nil {
		return hidden
	}
	if u.Host == "" {
		if strings.Contains(value, "@") || strings.Contains(strings.ToLower(value), "pass") {
			return hidden
		}
		return value
	}
	// A password with an unescaped slash, question mark or hash ends up here.
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return hidden
	}
	query := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}
