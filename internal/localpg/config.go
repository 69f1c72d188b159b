package localpg

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	defaultName = "delfos"
	// initial names what initdb makes: a database, and the superuser's role.
	initial = "postgres"
	// program is the server itself; initdb stands beside it.
	program   = "postgres"
	loopback  = "127.0.0.1"
	loopback6 = "::1"
	maxPort   = 65535
)

// Config says which server to run and where.
type Config struct {
	Dir      string // folder of the cluster and its log; made if absent
	Port     int    // TCP port on 127.0.0.1; 0 takes a free one
	User     string // role of a new cluster; "delfos" if empty
	Password string // its password; "delfos" if empty
	Database string // made if absent; "delfos" if empty

	// Superuser makes User one, for tests. Otherwise it may create databases
	// and nothing more: a superuser whose password is well known would let
	// everybody on this machine run programs as the server's account.
	Superuser bool

	// BinDir is the folder of postgres and initdb. If empty, the folders of
	// Search are looked through, and after them the programs are fetched.
	BinDir string
	// Search lists folders to look in, as glob patterns. Nil means PATH and
	// where the usual packages install to.
	Search []string
	// Repository is the Maven repository to fetch the programs from, Maven
	// Central if empty.
	Repository string
	// CacheDir keeps the fetched programs; the user's cache folder if empty.
	CacheDir string

	// Fast gives up safety against a crash of the machine for speed. For tests.
	Fast bool

	Log *slog.Logger // discards if nil
}

// withDefaults fills what was left empty and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, fmt.Errorf("start PostgreSQL: Dir is empty, it has to name the folder of the data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("start PostgreSQL in %s: %w", c.Dir, err)
	}
	c.Dir = dir
	if c.Port < 0 || c.Port > maxPort {
		return c, fmt.Errorf("start PostgreSQL: Port is %d, allowed are 1 to %d, and 0 for a free one", c.Port, maxPort)
	}
	for _, field := range []struct {
		name  string
		value *string
	}{{"User", &c.User}, {"Password", &c.Password}, {"Database", &c.Database}} {
		if *field.value == "" {
			*field.value = defaultName
		}
		if strings.ContainsAny(*field.value, "\x00\r\n") {
			return c, fmt.Errorf("start PostgreSQL: %s holds a line break or a zero byte, neither is allowed", field.name)
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// url is the address of a database of the server on that port.
func (c Config) url(port int, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(c.User, c.Password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// paths are the files of one Config.Dir.
type paths struct {
	dir, data, log, lock, background, pidFile string
}

func pathsOf(dir string) paths {
	data := filepath.Join(dir, "data")
	return paths{
		dir:        dir,
		data:       data,
		log:        filepath.Join(dir, "server.log"),
		lock:       filepath.Join(dir, "lock"),
		background: filepath.Join(dir, "background"),
		pidFile:    filepath.Join(data, "postmaster.pid"),
	}
}
