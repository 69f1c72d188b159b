package localpg

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const install = "install PostgreSQL's server (Debian: apt-get install postgresql; macOS: brew install postgresql@17), or set DELFOS_PG_BIN to the folder that holds postgres and initdb"

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

// findBin returns the folder of the programs to use for a cluster of major
// version want (0: any), for an account.
func findBin(ctx context.Context, c Config, who account, want int) (string, error) {
	if c.BinDir != "" {
		return givenBin(ctx, c.BinDir, who, want)
	}
	search := c.Search
	if search == nil {
		search = usualPlaces()
	}
	var found []string
	for _, bin := range candidates(search) {
		if !canRun(who, bin) {
			continue
		}
		version, err := versionOf(ctx, bin)
		if err != nil {
			c.Log.DebugContext(ctx, "passed over PostgreSQL programs that don't run", "folder", bin, "error", err)
			continue
		}
		if want == 0 || version == want {
			return bin, nil
		}
		found = append(found, fmt.Sprintf("%d in %s", version, bin))
	}
	if len(found) > 0 {
		return "", fmt.Errorf("the data in %s is of PostgreSQL %d, installed is %s: install version %d, or remove the folder to start afresh",
			c.Dir, want, strings.Join(found, ", "), want)
	}
	return fetch(ctx, c, who, want)
}

// givenBin checks the folder that the configuration names.
func givenBin(ctx context.Context, bin string, who account, want int) (string, error) {
	if !holdsServer(bin) {
		return "", fmt.Errorf("no postgres and initdb in %s, which was given as the folder of PostgreSQL's programs: %s", bin, install)
	}
	if !canRun(who, bin) {
		return "", fmt.Errorf("user %s, who PostgreSQL runs as under root, can't reach %s: run this as an ordinary user, or put the programs where everyone may go", who.name, bin)
	}
	version, err := versionOf(ctx, bin)
	if err != nil {
		return "", err
	}
	if want != 0 && version != want {
		return "", fmt.Errorf("the data is of PostgreSQL %d, the programs in %s are of %d: give a folder of version %d, or remove the data to start afresh", want, bin, version, want)
	}
	return bin, nil
}

// candidates are the folders that hold both programs: in the patterns' order,
// the newest version first within a pattern.
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

// numberIn is the version in a folder's name, the last number of its path; 0
// if it names none.
func numberIn(path string) float64 {
	numbers := regexp.MustCompile(`[0-9]+(\.[0-9]+)?`).FindAllString(path, -1)
	if len(numbers) == 0 {
		return 0
	}
	number, _ := strconv.ParseFloat(numbers[len(numbers)-1], 64)
	return number
}

func holdsServer(bin string) bool {
	for _, name := range []string{program, "initdb"} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func canRun(who account, bin string) bool {
	return who.canReach(filepath.Join(bin, program)) && who.canReach(filepath.Join(bin, "initdb"))
}

// versionOf asks the server program for its major version.
func versionOf(ctx context.Context, bin string) (int, error) {
	name := filepath.Join(bin, program)
	text, err := exec.CommandContext(ctx, name, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", name, err)
	}
	// "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"; a beta is "17beta1".
	match := regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`).FindSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("ask %s for its version: it said %q", name, text)
	}
	version, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: it said %q: %w", name, text, err)
	}
	return version, nil
}
