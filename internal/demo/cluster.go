package demo

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/schema"
)

// Dir is the folder, below the working directory, that holds the embedded servers' data.
const Dir = ".delfos"

// A Pair is the configuration of the two embedded servers.
type Pair struct {
	Source, Target Cluster
}

// A Cluster is one embedded server and the URL that it is to answer at.
type Cluster struct {
	variable string
	url      *url.URL
	Server   localpg.Config
}

// NewPair takes ports, users, passwords and database names from URLs that point at this machine. Data
// goes to dir/source and dir/target. The error joins a *config.Error each fault.
func NewPair(sourceURL, targetURL, dir, binDir string, log *slog.Logger) (Pair, error) {
	source, err := newCluster("SOURCE_DB_URL", sourceURL, filepath.Join(dir, "source"), binDir, log)
	target, bad := newCluster("TARGET_DB_URL", targetURL, filepath.Join(dir, "target"), binDir, log)
	if err = errors.Join(err, bad); err == nil && source.Server.Port == target.Server.Port && source.Server.Port != 0 {
		err = &config.Error{Variable: "TARGET_DB_URL", Value: config.Redact(targetURL), Want: "another port than that of SOURCE_DB_URL"}
	}
	return Pair{Source: source, Target: target}, err
}

func newCluster(variable, value, dir, binDir string, log *slog.Logger) (Cluster, error) {
	fault := func(want string) (Cluster, error) {
		return Cluster{}, &config.Error{Variable: variable, Value: config.Redact(value), Want: want}
	}
	parsed, err := pgpool.Parse(value)
	if err != nil {
		return fault("a URL such as postgres://user:password@localhost:5433/database")
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || slices.ContainsFunc([]string{"host", "port", "user", "password", "dbname"}, u.Query().Has) {
		// Keywords, or pieces behind the question mark.
		c := parsed.ConnConfig
		u = &url.URL{
			Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Path: "/" + c.Database, RawQuery: "sslmode=disable",
			Host: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))),
		}
	}
	if host := u.Hostname(); host != "localhost" && host != "127.0.0.1" {
		return fault("the host localhost, since the embedded servers run on this machine")
	}
	port := uint64(5432) // PostgreSQL's own, as every client takes it
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil {
			return fault("a port from 0 to 65535")
		}
	}
	password, _ := u.User.Password()
	return Cluster{variable: variable, url: u, Server: localpg.Config{
		Dir: dir, Port: int(port), BinDir: binDir, Log: log,
		User: u.User.Username(), Password: password, Database: strings.TrimPrefix(u.Path, "/"),
		// With the password of the user, who may do all that they may.
		Roles: schema.RoleStatements(cmp.Or(u.User.Username(), localpg.DefaultUser), cmp.Or(password, localpg.DefaultUser)),
	}}, nil
}

// URL is the configured URL, with the port, user and password that the server really has.
func (c Cluster) URL(port int, serverURL string) string {
	u := *c.url
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	if served, err := url.Parse(serverURL); err == nil && u.User == nil {
		u.User = served.User
	}
	return u.String()
}
