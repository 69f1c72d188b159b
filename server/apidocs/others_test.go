//go:build node

package apidocs_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/delfos/delfos/server/apidocs"
)

// The document that each server shows passes redocly's rules. Generators without
// our settings make TypeScript of it that compiles strictly, and a Go client that
// compiles. npm ci --prefix tools/openapi installs redocly and openapi-typescript.
func TestOthersRead(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"source", "target"} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			r := chi.NewRouter()
			apidocs.Mount(r, "Delfos test", tag, spec)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
			// Within the module, so that the client finds its runtime in go.mod; `./...` passes over the name.
			dir, err := os.MkdirTemp(".", "_"+tag) //nolint:usetesting // See above.
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if dir, err = filepath.Abs(dir); err != nil {
				t.Fatal(err)
			}
			document := filepath.Join(dir, "openapi.json")
			if err := os.WriteFile(document, w.Body.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}

			bin := func(name string) string { return filepath.Join("node_modules", ".bin", name) }
			types, client := filepath.Join(dir, "api.ts"), filepath.Join(dir, "client.go")
			run(t, "../../tools/openapi", bin("redocly"), "lint", "--config", "redocly.yaml", document)
			run(t, "../../tools/openapi", bin("openapi-typescript"), document, "--output", types)
			run(t, "../../tools/openapi", bin("tsc"), "--strict", "--noEmit", types)
			run(t, "../..", "go", "tool", "-modfile=tools/oapi-codegen/go.mod", "oapi-codegen",
				"-generate", "types,client", "-package", "client", "-o", client, document)
			run(t, dir, "go", "build", ".")
		})
	}
}

// run runs a program in a folder, and shows what it printed if it fails.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", cmd, err, out)
	}
}
