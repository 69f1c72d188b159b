package localpg

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ulikunitz/xz"
)

const (
	install = "install PostgreSQL's server (Debian: apt-get install postgresql; macOS: brew install postgresql@17), or set DELFOS_PG_BIN to the folder that holds postgres and initdb"

	fetchMajor, fetchVersion = 17, "17.5.0"

	mavenCentral = "https://repo1.maven.org/maven2"
	stagePattern = "fetch-*"
)

// usualPlaces are where packages install the server's programs, after PATH.
func usualPlaces() []string {
	return append(filepath.SplitList(os.Getenv("PATH")),
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // PostgreSQL's own packages for Red Hat
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on ARM
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	)
}

// findBin returns the folder of programs of major version want (0: any) that the account can run. It
// fetches them if none are installed.
func findBin(ctx context.Context, c Config, who account, want int) (string, error) {
	search := c.Search
	if c.BinDir != "" {
		if !holdsServer(c.BinDir) {
			return "", fmt.Errorf("there is no postgres or no initdb in %s, which was given as the folder of PostgreSQL's programs: %s", c.BinDir, install)
		}
		search = []string{c.BinDir}
	} else if search == nil {
		search = usualPlaces()
	}
	var found []string
	for _, bin := range candidates(search) {
		version, err := versionOf(ctx, bin, who)
		switch {
		case err != nil && c.BinDir != "":
			return "", err
		case err != nil:
			c.Log.DebugContext(ctx, "passed over PostgreSQL programs that don't run", "folder", bin, "error", err)
		case want == 0 || version == want:
			return bin, nil
		default:
			found = append(found, fmt.Sprintf("%d in %s", version, bin))
		}
	}
	if len(found) == 0 && (want == 0 || want == fetchMajor) {
		return fetch(ctx, c, who)
	}
	return "", fmt.Errorf("the data in %s is of PostgreSQL %d, there is %s: install version %d, or remove the folder to start afresh",
		c.Dir, want, cmp.Or(strings.Join(found, ", "), "none"), want)
}

// candidates are the folders that hold both programs, the newest first within a pattern.
func candidates(patterns []string) []string {
	var found []string
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			continue // PATH may hold anything
		}
		slices.SortStableFunc(matches, func(a, b string) int { return cmp.Compare(numberIn(b), numberIn(a)) })
		for _, bin := range matches {
			if filepath.IsAbs(bin) && holdsServer(bin) {
				found = append(found, bin)
			}
		}
	}
	return found
}

// numberIn is the last number of a folder's path, its version; 0 if it names none.
func numberIn(path string) float64 {
	numbers := regexp.MustCompile(`[0-9]+(\.[0-9]+)?`).FindAllString(path, -1)
	if len(numbers) == 0 {
		return 0
	}
	number, _ := strconv.ParseFloat(numbers[len(numbers)-1], 64)
	return number
}

func holdsServer(bin string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// versionOf has the account ask the server program for its major version.
func versionOf(ctx context.Context, bin string, who account) (int, error) {
	name := filepath.Join(bin, "postgres")
	cmd := exec.CommandContext(ctx, name, "--version")
	who.become(cmd)
	text, err := cmd.Output()
	switch {
	case errors.Is(err, os.ErrPermission):
		return 0, fmt.Errorf("user %d can't reach %s, and PostgreSQL runs as that user under root: run this as an ordinary user, or put the programs where everyone may go", who.uid, name)
	case err != nil:
		return 0, fmt.Errorf("ask %s for its version: %w", name, err)
	}
	// "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"; a beta is "17beta1".
	match := regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`).FindSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("ask %s for its version: it said %q", name, text)
	}
	return strconv.Atoi(string(match[1]))
}

// fetch returns the folder of fetched programs.
func fetch(ctx context.Context, c Config, who account) (string, error) {
	repository := strings.TrimSuffix(cmp.Or(c.Repository, mavenCentral), "/")
	cache := c.CacheDir
	if cache == "" && who.other {
		cache = "/var/cache" // root's own is closed to the account
	} else if cache == "" {
		own, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no PostgreSQL server programs are installed, and there is no folder to fetch them to: %w; %s", err, install)
		}
		cache = own
	}
	cache = filepath.Join(cache, "delfos", "postgresql")
	home := filepath.Join(cache, fetchVersion)
	bin := filepath.Join(home, "bin")
	if holdsServer(bin) {
		return bin, nil
	}
	c.Log.InfoContext(ctx, "fetching PostgreSQL's programs, as none are installed", "version", fetchVersion, "from", repository, "to", home)
	if err := fetchTo(ctx, repository, cache, home); err != nil {
		return "", fmt.Errorf("no PostgreSQL server programs are installed, and fetching version %s from %s failed: %w; %s", fetchVersion, repository, err, install)
	}
	return bin, nil
}

// fetchTo fetches beside home and renames it, so that home is complete or absent at any time.
func fetchTo(ctx context.Context, repository, cache, home string) error {
	//nolint:gosec // The server's account has to come through.
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	left, _ := filepath.Glob(filepath.Join(cache, stagePattern))
	for _, stage := range left {
		if info, err := os.Stat(stage); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(stage) // of a killed process; it may be another user's
		}
	}
	stage, err := os.MkdirTemp(cache, stagePattern)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	programs := filepath.Join(stage, "programs")
	//nolint:gosec // As above.
	if err := os.Mkdir(programs, 0o755); err != nil {
		return err
	}
	jar, err := download(ctx, repository)
	if err != nil {
		return err
	}
	if err := unpack(ctx, jar, programs); err != nil {
		return fmt.Errorf("unpack the archive: %w", err)
	}
	if !holdsServer(filepath.Join(programs, "bin")) {
		return errors.New("the archive lacks postgres or initdb")
	}
	if err := os.Rename(programs, home); err != nil && !holdsServer(filepath.Join(home, "bin")) { // else another process was faster
		return err
	}
	return nil
}

// download gets this machine's archive of github.com/zonkyio/embedded-postgres-binaries.
func download(ctx context.Context, repository string) ([]byte, error) {
	arch := map[string]string{"arm64": "arm64v8", "386": "i386"}[runtime.GOARCH]
	machine := runtime.GOOS + "-" + cmp.Or(arch, runtime.GOARCH)
	if _, err := os.Stat("/etc/alpine-release"); err == nil {
		machine += "-alpine"
	}
	name := "embedded-postgres-binaries-" + machine
	address := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", repository, name, fetchVersion, name, fetchVersion)
	jar, err := get(ctx, address)
	if err != nil {
		return nil, err
	}
	want, err := get(ctx, address+".sha256")
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(jar); hex.EncodeToString(sum[:]) != strings.TrimSpace(string(want)) {
		return nil, fmt.Errorf("%s doesn't have the checksum of its .sha256", address)
	}
	return jar, nil
}

func get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Close = true // nothing follows soon
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: got %s", address, response.Status)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	return body, nil
}

// unpack writes out the files of the jar: a zip of a tar that is compressed by xz.
func unpack(ctx context.Context, jar []byte, to string) error {
	archive, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
	if err != nil {
		return err
	}
	names, err := fs.Glob(archive, "*.txz")
	if err != nil || len(names) == 0 {
		return errors.Join(err, errors.New("there is no .txz in it"))
	}
	packed, err := archive.Open(names[0])
	if err != nil {
		return err
	}
	defer func() { _ = packed.Close() }()
	unpacked, err := xz.NewReader(packed)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	files := tar.NewReader(unpacked)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = cmp.Or(ctx.Err(), writeOut(root, header, files))
		}
		if err != nil {
			return err
		}
	}
}

func writeOut(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, header.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return nil
}
