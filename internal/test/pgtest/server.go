package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/peterldowns/pgtestdb"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/localpg"
)

// shared is the server of this test binary. It can't be passed to the tests:
// testing gives them nothing but a testing.TB.
//
//nolint:gochecknoglobals // See above.
var shared struct {
	mutex  sync.Mutex
	inMain bool
	dir    string
	server *localpg.Server
	err    error
	data   string // see Cluster; removed with its folder
}

// ServerURL is the variable that names a server to use, by the URL of a superuser.
const ServerURL = "DELFOS_TEST_PG_URL"

// Main runs the tests of a package, stops the server that they started, fails
// if a goroutine is left, and exits.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := Neutral(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	shared.mutex.Lock()
	shared.inMain = true
	shared.mutex.Unlock()

	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	if code == 0 { // a failed test leaves things open, and its own message counts
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: goroutines are left after the tests:", err)
			return 1
		}
	}
	return code
}

// adminURL is the superuser's URL of the server, which is started if need be.
func adminURL() (string, error) {
	if given := os.Getenv(ServerURL); given != "" {
		return given, nil
	}
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	if !shared.inMain {
		return "", errors.New("the package lacks func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.dir, shared.err = start()
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.server.URL(), nil
}

func start() (*localpg.Server, string, error) {
	dir, err := makeFolder()
	if err != nil {
		return nil, "", err
	}
	// A test ends later than its context, and the server later than any test.
	server, err := localpg.Start(context.Background(), localpg.Config{
		Dir:       dir,
		BinDir:    os.Getenv("DELFOS_PG_BIN"),
		Database:  "postgres",
		Superuser: true,
		Fast:      true,
	})
	if err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	return server, dir, nil
}

func stop() error {
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	var err error
	if shared.data != "" {
		err = os.RemoveAll(filepath.Dir(shared.data))
	}
	if shared.server != nil {
		err = errors.Join(err, remove(shared.server, shared.dir))
	}
	return err
}

// remove stops a server and removes its folder. It is an error that the server has
// ended before.
func remove(server *localpg.Server, dir string) error {
	died := server.Err()
	return errors.Join(died, server.Stop(context.Background()), os.RemoveAll(dir))
}

// Serve starts a server for the tests of several packages. They find it, and the memory
// to keep their files in where there is plenty, by the returned variables. The returned
// function stops it.
func Serve() (environ []string, stop func() error, err error) {
	if err := Neutral(); err != nil {
		return nil, nil, err
	}
	server, dir, err := start()
	if err != nil {
		return nil, nil, err
	}
	stop = func() error { return remove(server, dir) }
	environ = []string{ServerURL + "=" + server.URL()}
	if memory == "" || filepath.Dir(dir) != memory {
		return environ, stop, nil
	}
	files := filepath.Join(dir, "files")
	//nolint:gosec // Tests run programs as other accounts.
	if err := errors.Join(os.Mkdir(files, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	// What go test links would take gigabytes of it.
	return append(environ, "TMPDIR="+files, "GOTMPDIR="+cmp.Or(os.Getenv("GOTMPDIR"), os.TempDir())), stop, nil
}

// configOf turns a superuser's URL into what pgtestdb takes.
func configOf(admin string) (pgtestdb.Config, error) {
	u, err := url.Parse(admin)
	if err != nil || u.Hostname() == "" || u.User == nil {
		return pgtestdb.Config{}, errors.New("DELFOS_TEST_PG_URL has to be a URL like postgres://user:password@host:port/database?sslmode=disable")
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // IPv6
	}
	password, _ := u.User.Password()
	register()
	return pgtestdb.Config{
		DriverName: driverName,
		// pgtestdb joins what follows into a URL as it is.
		Host:     host,
		Port:     port,
		User:     url.User(u.User.Username()).String(),
		Password: url.User(password).String(),
		Database: u.EscapedPath()[min(1, len(u.EscapedPath())):],
		Options:  u.RawQuery,
		TestRole: role(),
		// A session that a killed program left dies only when it next looks at
		// its connection; the test has ended, so cut it.
		ForceTerminateConnections: true,
	}, nil
}
