// Command withpostgres runs a command with a PostgreSQL server that all test
// binaries below it share. Otherwise each package of tests starts one of its own
// and applies the schemas to it.
//
//	go run ./internal/test/withpostgres go test ./...
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/delfos/delfos/internal/test/pgtest"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	if len(args) == 0 {
		return 2, errors.New("name the command to run, such as go test")
	}
	// The command gets the signals of a terminal too, and this program ends after it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM)
	environ, stop, err := pgtest.Serve()
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := stop(); stopErr != nil {
			code, err = max(code, 1), errors.Join(err, stopErr)
		}
	}()
	//nolint:noctx // It ends by itself.
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return max(exit.ExitCode(), 1), nil
		}
		return 1, fmt.Errorf("run %s: %w", args[0], err)
	}
	return 0, nil
}
