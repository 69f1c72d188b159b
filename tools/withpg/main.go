// Command withpg runs a command beside a PostgreSQL server of its own, which
// ends with it and leaves nothing. SOURCE_DB_URL and TARGET_DB_URL in the
// command's environment name two databases that have our schemas, the target
// with River's tables as well. The source also has the staging table of seed
// and import, as a lasting one, so that queries on it can be prepared.
//
// It exits as the command does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/schema"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withpg command [argument…]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "withpg:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) (err error) {
	dir, err := os.MkdirTemp("", "delfos-withpg-")
	if err != nil {
		return fmt.Errorf("make a folder for the databases: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := localpg.Start(ctx, localpg.Config{Dir: dir, Database: "scratch", Fast: true})
	if err != nil {
		return err
	}
	// The command's end, not a signal, is what stops the server.
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()

	source, target, err := databases(ctx, server.URL())
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "SOURCE_DB_URL="+source, "TARGET_DB_URL="+target)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(command, " "), err)
	}
	return nil
}

// databases makes the two beside the one at admin, and gives their URLs.
func databases(ctx context.Context, admin string) (source, target string, err error) {
	config, err := pgx.ParseConfig(admin)
	if err != nil {
		return "", "", fmt.Errorf("read the server's URL: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", "", fmt.Errorf("connect to the server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	urls := map[string]string{}
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{s.Name}.Sanitize()); err != nil {
			return "", "", fmt.Errorf("create database %s: %w", s.Name, err)
		}
		urls[s.Name] = strings.Replace(admin, "/"+config.Database, "/"+s.Name, 1)
		if _, err := schema.Apply(ctx, urls[s.Name], s, schema.Options{DevURL: admin}); err != nil {
			return "", "", err
		}
	}
	source, target = urls[schema.Source.Name], urls[schema.Target.Name]
	if _, err := schema.ApplyRiver(ctx, target, schema.Options{}); err != nil {
		return "", "", err
	}
	return source, target, createStage(ctx, source)
}

// createStage makes the temporary staging table as one that lasts.
func createStage(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the source: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	lasting := strings.NewReplacer(" TEMPORARY ", " ", " ON COMMIT DROP", "").Replace(schema.SourceStage)
	if _, err := conn.Exec(ctx, lasting); err != nil {
		return fmt.Errorf("create the staging table: %w", err)
	}
	return nil
}
