package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	fetchVersion = embeddedpostgres.V17
	mavenCentral = "https://repo1.maven.org/maven2"
	// systemCache is where root keeps the programs if its own cache folder is
	// closed to the account that runs them.
	systemCache  = "/var/cache"
	stagePattern = "fetch-*"
)

// fetch returns the folder of fetched programs, fetching them if they aren't
// there yet.
func fetch(ctx context.Context, c Config, who account, want int) (string, error) {
	fetched, _, _ := strings.Cut(string(fetchVersion), ".")
	if want != 0 && fetched != strconv.Itoa(want) {
		return "", fmt.Errorf("the data in %s is of PostgreSQL %d, and no programs of that version are installed: install version %d, or remove the folder to start afresh", c.Dir, want, want)
	}
	repository := c.Repository
	if repository == "" {
		repository = mavenCentral
	}
	cache, err := cacheFor(c, who)
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, string(fetchVersion))
	bin := filepath.Join(home, "bin")
	if holdsServer(bin) {
		return bin, nil
	}
	c.Log.InfoContext(ctx, "fetching PostgreSQL's programs, as none are installed", "version", string(fetchVersion), "from", repository, "to", home)
	if err := fetchTo(ctx, repository, cache, home); err != nil {
		return "", fmt.Errorf("no PostgreSQL server programs are installed, and fetching version %s from %s failed: %w; %s", fetchVersion, repository, err, install)
	}
	if !holdsServer(bin) {
		return "", fmt.Errorf("no PostgreSQL server programs are installed, and what %s has as version %s lacks postgres or initdb; %s", repository, fetchVersion, install)
	}
	return bin, nil
}

// cacheFor is a writable folder for the programs that the account can reach.
func cacheFor(c Config, who account) (string, error) {
	bases := []string{c.CacheDir}
	if c.CacheDir == "" {
		bases = nil
		if own, err := os.UserCacheDir(); err == nil {
			bases = append(bases, own)
		}
		if who.other {
			bases = append(bases, systemCache)
		}
	}
	var last error
	for _, base := range bases {
		cache := filepath.Join(base, "delfos", "postgresql")
		//nolint:gosec // The server's account has to come through.
		if last = os.MkdirAll(cache, 0o755); last != nil {
			continue
		}
		if who.canReach(cache) {
			return cache, nil
		}
		last = fmt.Errorf("user %s, who PostgreSQL runs as under root, can't reach %s", who.name, cache)
	}
	if last == nil {
		last = errors.New("the environment names no cache folder (HOME is empty)")
	}
	return "", fmt.Errorf("no PostgreSQL server programs are installed, and there is no folder to fetch them to: %w; %s", last, install)
}

// fetchTo fetches into a folder beside home and renames it, so that home is
// complete or absent, also when several processes fetch at once. If ctx ends,
// the transfer goes on by itself: the library can't be told to stop. What it
// leaves when the process ends is removed by the next fetch.
func fetchTo(ctx context.Context, repository, cache, home string) error {
	if err := removeAbandoned(cache); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(cache, stagePattern)
	if err != nil {
		return fmt.Errorf("make a folder in %s: %w", cache, err)
	}
	held, err := acquire(pathsOf(stage))
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := extract(ctx, repository, stage, filepath.Join(stage, "programs"))
		if err == nil {
			err = os.Rename(filepath.Join(stage, "programs"), home)
			if err != nil && holdsServer(filepath.Join(home, "bin")) {
				err = nil // another process was faster
			}
		}
		// Before the caller hears of it: it may end the process.
		_ = os.RemoveAll(stage)
		held.release()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// removeAbandoned removes the folders of fetches whose process has ended.
func removeAbandoned(cache string) error {
	// A younger one may be about to be locked.
	const age = time.Minute
	left, err := filepath.Glob(filepath.Join(cache, stagePattern))
	if err != nil {
		return fmt.Errorf("look for the folders of earlier fetches in %s: %w", cache, err)
	}
	for _, stage := range left {
		info, err := os.Stat(stage)
		if err != nil || time.Since(info.ModTime()) < age || InUse(stage) {
			continue
		}
		_ = os.RemoveAll(stage) // it may be another user's
	}
	return nil
}

// extract has the library fetch, check and unpack the archive.
//
// The library has no call for that alone: it is the first half of its Start,
// whose second half knows neither root nor a killed parent. So the data folder
// given here is one that it has to refuse before it runs anything: removing a
// path that ends in a dot is an error by the rules of os.RemoveAll.
func extract(ctx context.Context, repository, stage, programs string) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	//nolint:gosec // The server's account has to come through.
	if err := os.Mkdir(programs, 0o755); err != nil {
		return fmt.Errorf("make a folder in %s: %w", stage, err)
	}
	err = embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(fetchVersion).
		Port(uint32(port)).
		BinaryRepositoryURL(strings.TrimSuffix(repository, "/")).
		CachePath(filepath.Join(stage, "archive")).
		RuntimePath(filepath.Join(stage, "runtime")).
		BinariesPath(programs).
		DataPath(stage + "/.").
		Logger(io.Discard)).Start()
	http.DefaultClient.CloseIdleConnections() // the library's client; nothing follows soon
	if err == nil || !strings.HasPrefix(err.Error(), "unable to clean up data directory") {
		return err
	}
	return nil
}

// freePort is a port of 127.0.0.1 that nothing listens on at this moment.
func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a free port: got the address %v", listener.Addr())
	}
	return address.Port, nil
}
