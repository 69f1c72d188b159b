package pgtest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/schema"
)

// Standby returns the URLs of a fresh source database, as Source does, and of its hot standby, on
// servers of their own that stop with the test. What the standby replays comes
// before what is being read there.
func Standby(tb testing.TB) (primary, standby string) {
	tb.Helper()
	home, away := Folder(tb), Folder(tb)
	from := serverOf(tb, home)
	if _, err := schema.Apply(tb.Context(), from.URL(), schema.Source, schema.Options{}); err != nil {
		tb.Fatalf("primary: %v", err)
	}
	Exec(tb, Pool(tb, from.URL()), firstTurbine)
	data := filepath.Join(away, "data")
	if err := backup(tb.Context(), from.URL(), data); err != nil {
		tb.Fatalf("standby: %v", err)
	}
	if err := give(data, filepath.Join(home, "data")); err != nil {
		tb.Fatalf("standby: %v", err)
	}
	return from.URL(), serverOf(tb, away).URL()
}

// Folder makes a folder for a server that the test starts itself.
func Folder(tb testing.TB) string {
	tb.Helper()
	dir, err := makeFolder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serverOf starts the server of a folder until the test ends.
func serverOf(tb testing.TB, dir string) *localpg.Server {
	tb.Helper()
	server, err := localpg.Start(tb.Context(), localpg.Config{
		Dir: dir, BinDir: os.Getenv("DELFOS_PG_BIN"), Database: "postgres", Superuser: true, Fast: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

// backup copies a running server into data, set up as its standby.
func backup(ctx context.Context, from, data string) error {
	out, err := exec.CommandContext(ctx, baseBackup(), "--dbname="+from, "--pgdata="+data,
		"--checkpoint=fast", "--write-recovery-conf", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("pg_basebackup (of Debian's postgresql): %w\n%s", err, out)
	}
	return configure(data, "max_standby_streaming_delay = 0\nhot_standby_feedback = off\n")
}

// configure adds settings, a line each, to those of a server that does not run.
func configure(data, lines string) error {
	settings, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure a test server: %w", err)
	}
	if _, err = settings.WriteString(lines); err == nil {
		err = settings.Close()
	}
	if err != nil {
		return fmt.Errorf("configure a test server: %w", err)
	}
	return nil
}

// give hands the files to the account that owns those of another server, which
// is not ours under root.
func give(data, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return fmt.Errorf("look who owns a test server: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("look who owns a test server: %T tells nothing of it", info.Sys())
	}
	root, err := os.OpenRoot(data)
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}

// baseBackup is the program, which some packages keep beside the server alone.
func baseBackup() string {
	const name = "pg_basebackup"
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	places := []string{"/usr/lib/postgresql/*/bin"}
	if given := os.Getenv("DELFOS_PG_BIN"); given != "" {
		places = append([]string{given}, places...)
	}
	for _, place := range places {
		found, err := filepath.Glob(filepath.Join(place, name))
		if err == nil && len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return name // who starts it says that it is missing
}
