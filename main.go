// Delfos turns the one-minute readings of wind turbines into ten-minute
// statistics. Everything it does is a command of package internal/cli.
package main

import (
	"context"
	_ "embed"
	"os"

	"github.com/delfos/delfos/internal/cli"
)

//go:embed openapi.yaml
var openapi []byte

// Set by the linker for a release: -ldflags "-X main.version=… -X main.commit=…".
var version, commit string

func main() {
	os.Exit(cli.Main(context.Background(), cli.Program{
		Path:    os.Args[0],
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Version: cli.Version{Number: version, Commit: commit},
		OpenAPI: openapi,
	}))
}
