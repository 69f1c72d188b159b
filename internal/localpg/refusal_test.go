package localpg_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/localpg"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// listen takes a free port.
func listen(t *testing.T, network, address string) (port int, ok bool) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		return 0, false
	}
	t.Cleanup(func() { _ = listener.Close() })
	bound, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("address: got a %T", listener.Addr())
	}
	return bound.Port, true
}

type refusal struct {
	name   string
	files  map[string]string // in Dir, each with its text
	change func(c *localpg.Config)
	want   []string
}

func refusals(t *testing.T) []refusal {
	t.Helper()
	nothing := func(*localpg.Config) {}
	search := func(c *localpg.Config) { c.BinDir = "" }
	port, ok := listen(t, "tcp4", "127.0.0.1:0")
	if !ok {
		t.Fatal("no free port")
	}
	all := []refusal{
		{"no folder", nil, func(c *localpg.Config) { c.Dir = "" }, []string{"Dir is empty"}},
		{"port out of range", nil, func(c *localpg.Config) { c.Port = 65536 }, []string{"Port is 65536", "1 to 65535"}},
		{"line break in a password", nil, func(c *localpg.Config) { c.Password = "a\nb" }, []string{"Password", "line break"}},
		{
			"taken port", nil, func(c *localpg.Config) { c.Port = port },
			[]string{"port " + strconv.Itoa(port) + " is taken", "choose another port"},
		},
		{
			"a file where the folder should be",
			map[string]string{"file": ""},
			func(c *localpg.Config) { c.Dir = filepath.Join(c.Dir, "file", "pg") },
			[]string{"file/pg", "can't write", "choose another"},
		},
		{
			"no programs in the given folder", nil, func(c *localpg.Config) { c.BinDir = c.Dir },
			[]string{"no postgres or no initdb in ", "DELFOS_PG_BIN", "apt-get install postgresql"},
		},
		{
			"other files in the data folder",
			map[string]string{"data/thesis.txt": ""},
			nothing,
			[]string{"no PostgreSQL data", "choose another folder"},
		},
		{
			"data of another version",
			map[string]string{"data/PG_VERSION": "99\n"},
			search,
			[]string{"PostgreSQL 99", "install version 99", "remove the folder"},
		},
		{
			"data of another version than the given programs'",
			map[string]string{"data/PG_VERSION": "99\n"},
			func(c *localpg.Config) { c.BinDir = installed(t) },
			[]string{"is of PostgreSQL 99", "install version 99", "remove the folder"},
		},
		{
			"data of another version, and none installed",
			map[string]string{"data/PG_VERSION": "99\n"},
			func(c *localpg.Config) { c.BinDir, c.Search = "", []string{} },
			[]string{"PostgreSQL 99", "install version 99"},
		},
		{
			"data of a version long ago",
			map[string]string{"data/PG_VERSION": "9.6\n"},
			nothing,
			[]string{"9.6", "remove the folder"},
		},
	}
	if port, ok := listen(t, "tcp6", "[::1]:0"); ok {
		all = append(all, refusal{
			"taken port of IPv6", nil, func(c *localpg.Config) { c.Port = port },
			[]string{"port " + strconv.Itoa(port) + " is taken"},
		})
	}
	if os.Geteuid() == 0 {
		return append(all, refusal{
			"programs that the server's account can't reach",
			map[string]string{"closed/bin/postgres": "", "closed/bin/initdb": ""},
			func(c *localpg.Config) { c.BinDir = filepath.Join(c.Dir, "closed", "bin") },
			[]string{"can't reach", "closed/bin", "ordinary user"},
		})
	}
	return append(all, refusal{
		"folder without the right to write",
		map[string]string{"closed/file": ""},
		func(c *localpg.Config) { c.Dir = filepath.Join(c.Dir, "closed", "pg") },
		[]string{"closed/pg", "permission denied", "make the folder writable"},
	})
}

// Every refusal is one sentence that names the way out, and leaves nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range refusals(t) {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			for name, text := range tc.files {
				write(t, filepath.Join(dir, name), text, 0o700)
			}
			closed := filepath.Join(dir, "closed")
			if err := os.Chmod(closed, 0o500); err == nil {
				t.Cleanup(func() { _ = os.Chmod(closed, 0o700) }) // before the folder is removed
			}
			c := config(dir)
			tc.change(&c)
			_, err := localpg.Start(t.Context(), c)
			wantSentence(t, err, tc.want...)
			wantNothingLeft(t, dir)
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil && len(tc.files) == 0 {
				t.Error("a cluster was made before the refusal")
			}
		})
	}
}

// A program that fails shows what it said.
func TestInitdbThatFails(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	bin := filepath.Join(dir, "bin")
	write(t, filepath.Join(bin, "postgres"), "#!/bin/sh\necho 'postgres (PostgreSQL) 17beta1'\n", 0o755)
	write(t, filepath.Join(bin, "initdb"), "#!/bin/sh\necho 'no space left on the moon' >&2\nexit 3\n", 0o755)
	c := config(filepath.Join(dir, "pg"))
	c.BinDir = bin
	_, err := localpg.Start(t.Context(), c)
	wantSentence(t, err, "make a PostgreSQL cluster in", "exit status 3", "no space left on the moon", "server.log")
	wantNothingLeft(t, c.Dir)
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, name := range []string{"lib/9.6/bin", "lib/15/bin", "lib/17/bin", "opt/postgresql@16/bin", "opt/postgresql@9/bin"} {
		write(t, filepath.Join(dir, name, "postgres"), "", 0o755)
		write(t, filepath.Join(dir, name, "initdb"), "", 0o755)
	}
	write(t, filepath.Join(dir, "path", "postgres"), "", 0o755)       // initdb is missing
	write(t, filepath.Join(dir, "lib/18/bin", "postgres"), "", 0o755) // so it is here
	write(t, filepath.Join(dir, "lib/18/bin", "initdb"), "", 0o644)   // this one isn't a program

	found := localpg.Candidates([]string{
		filepath.Join(dir, "path"), "", ".", "[", filepath.Join(dir, "lib/*/bin"), filepath.Join(dir, "opt/postgresql*/bin"),
	})
	for i := range found {
		found[i], _ = filepath.Rel(dir, found[i])
	}
	want := []string{"lib/17/bin", "lib/15/bin", "lib/9.6/bin", "opt/postgresql@16/bin", "opt/postgresql@9/bin"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
}
