package config

import (
	"net"
	"net/url"
	"strconv"
)

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
