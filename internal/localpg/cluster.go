package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const initPattern = "init-*"

// major is the major version of the cluster in data, 0 if there is none yet.
func major(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("look at PostgreSQL's data: %w", err)
		}
		if len(entries) > 0 {
			return 0, fmt.Errorf("%s holds files but no PostgreSQL data (no PG_VERSION in it): move them away, or choose another folder", data)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of PostgreSQL's data: %w", err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION says %q, which is no version of PostgreSQL from 10 on: remove the folder to start afresh", data, text)
	}
	return version, nil
}

// initCluster makes the cluster of c in p.data. It is built beside it and
// renamed when complete, so that an interrupted one is never taken for whole.
func initCluster(ctx context.Context, c Config, p paths, bin string, who account, logFile *os.File) error {
	if err := removeHalfMade(ctx, p); err != nil {
		return err
	}
	work, err := os.MkdirTemp(p.dir, initPattern)
	if err != nil {
		return fmt.Errorf("make a folder for a new PostgreSQL cluster: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // if it stays, the next Start removes it
	data, password := filepath.Join(work, "data"), filepath.Join(work, "password")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("make a folder for a new PostgreSQL cluster: %w", err)
	}
	secret := c.Password
	if !c.Superuser {
		secret = rand.Text() // nobody's: the role of c is made below
	}
	if err := os.WriteFile(password, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand the password to initdb: %w", err)
	}
	for _, path := range []string{work, data, password} {
		if err := who.own(path); err != nil {
			return err
		}
	}
	err = initdb(ctx, c, bin, who, data, password, logFile)
	if err == nil && !c.Superuser {
		err = createRole(ctx, c, bin, who, data, logFile)
	}
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("make a PostgreSQL cluster in %s: %w", p.data, ctx.Err())
		}
		return fmt.Errorf("make a PostgreSQL cluster in %s: %w%s", p.data, err, lastLines(p.log))
	}
	if err := os.Rename(data, p.data); err != nil {
		return fmt.Errorf("put the new PostgreSQL cluster in place: %w", err)
	}
	return nil
}

func initdb(ctx context.Context, c Config, bin string, who account, data, password string, logFile *os.File) error {
	secret, err := os.Open(password)
	if err != nil {
		return fmt.Errorf("hand the password to initdb: %w", err)
	}
	defer func() { _ = secret.Close() }()
	cmd := command(who, logFile, filepath.Join(bin, "initdb"),
		"--username", c.superuser(), "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C",
		// Waiting for the disk would quadruple the time. What a crash of the
		// machine in the next half minute could spoil is seconds old.
		"--no-sync",
	)
	name, folder, err := who.passData(cmd, data)
	if err != nil {
		return err
	}
	if folder != nil {
		defer func() { _ = folder.Close() }()
		// The password goes by descriptor too: its path is as closed.
		password = fmt.Sprintf("/proc/self/fd/%d", 3+len(cmd.ExtraFiles))
		cmd.ExtraFiles = append(cmd.ExtraFiles, secret)
	}
	cmd.Args = append(cmd.Args, "--pgdata", name, "--pwfile", password)
	dieWithParent(cmd, syscall.SIGKILL)
	return run(ctx, cmd)
}

// superuser is the name of the cluster's first role.
func (c Config) superuser() string {
	switch {
	case c.Superuser:
		return c.User
	case c.User == initial:
		return "superuser"
	}
	return initial
}

// createRole makes the role of c and its database before the server first
// listens, so that no superuser has to log in. Single-user mode reads a
// statement a line.
func createRole(ctx context.Context, c Config, bin string, who account, data string, logFile *os.File) error {
	cmd := command(who, logFile, filepath.Join(bin, program), "--single", "-F", "-c", "exit_on_error=on")
	name, folder, err := who.passData(cmd, data)
	if err != nil {
		return err
	}
	if folder != nil {
		defer func() { _ = folder.Close() }()
	}
	cmd.Args = append(cmd.Args, "-D", name, initial)
	role, database := pgx.Identifier{c.User}.Sanitize(), pgx.Identifier{c.Database}.Sanitize()
	statements := fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD '%s'\n", role, strings.ReplaceAll(c.Password, "'", "''"))
	if c.Database != initial {
		statements += fmt.Sprintf("CREATE DATABASE %s OWNER %s\n", database, role)
	}
	cmd.Stdin = strings.NewReader(statements)
	dieWithParent(cmd, syscall.SIGKILL)
	if err := run(ctx, cmd); err != nil {
		return fmt.Errorf("create the role %s: %w", c.User, err)
	}
	return nil
}

// removeHalfMade removes what an interrupted initCluster left.
func removeHalfMade(ctx context.Context, p paths) error {
	left, err := filepath.Glob(filepath.Join(p.dir, initPattern))
	if err != nil {
		return fmt.Errorf("look for half-made clusters in %s: %w", p.dir, err)
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for _, path := range left {
		for {
			err := os.RemoveAll(path)
			if err == nil {
				break
			}
			if !errors.Is(err, syscall.ENOTEMPTY) {
				return fmt.Errorf("remove the half-made cluster %s: %w", path, err)
			}
			// A server of the killed initdb writes a last file while it dies.
			select {
			case <-ctx.Done():
				return fmt.Errorf("remove the half-made cluster %s: %w: %w", path, context.Cause(ctx), err)
			case <-ticker.C:
			}
		}
	}
	return nil
}
