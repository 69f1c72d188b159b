//go:build node

package example_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// The document that each server shows passes redocly's rules, and generators without
// our settings make clients of it that compile and read a day, as examples/clients has
// it. npm ci --prefix tools/openapi installs redocly and the generators of TypeScript.
func TestOthersRead(t *testing.T) {
	t.Parallel()
	s := start(t, 1)
	modules, err := filepath.Abs(filepath.Join(node, "node_modules"))
	must(t, err)
	env := append(s.env(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1",
		"PATH="+filepath.Join(modules, ".bin")+string(os.PathListSeparator)+os.Getenv("PATH")) // with a Node that the generators work with
	documents := map[string]string{}
	for name, url := range map[string]string{"source": s.sourceURL, "target": s.targetURL} {
		documents[name] = filepath.Join(t.TempDir(), name+".json")
		s.download(t, url+"/openapi.json", documents[name])
		run(t, node, env, "node_modules/.bin/redocly", "lint", "--config", "redocly.yaml", documents[name])
	}
	const want = "2880 samples, 288 windows\n"

	// generate makes the clients of both documents in dir.
	type generate func(t *testing.T, dir, name string)
	for program, clients := range map[string]generate{
		"openapi-fetch.ts": func(t *testing.T, dir, name string) {
			t.Helper()
			run(t, node, env, "node_modules/.bin/openapi-typescript", documents[name], "--output", filepath.Join(dir, name+".ts"))
		},
		"hey-api.ts": func(t *testing.T, dir, name string) {
			t.Helper()
			if name == "source" { // makes both
				copyFile(t, filepath.Join(examples, "openapi-ts.config.mjs"), filepath.Join(dir, "openapi-ts.config.mjs"))
				run(t, dir, env, "node_modules/.bin/openapi-ts")
			}
		},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
			must(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "tsconfig.json"), []byte(`{"compilerOptions":{"strict":true,"target":"es2022","module":"nodenext","types":["node"]},"files":["main.ts"]}`), 0o600))
			clients(t, dir, "source")
			clients(t, dir, "target")
			copyFile(t, filepath.Join(examples, program), filepath.Join(dir, "main.ts"))
			run(t, dir, env, "node_modules/.bin/tsc")
			if got := run(t, dir, env, "node_modules/.bin/node", "main.js"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}

	for program, clients := range map[string]struct {
		module   string // which has what the client imports
		generate generate
	}{
		"ogen.go": {"../../../tools/ogen", func(t *testing.T, dir, name string) {
			t.Helper()
			run(t, "../../../tools/ogen", env, "go", "tool", "ogen", "-config", filepath.Join(dir, "ogen.yaml"), "-package", name, "-target", filepath.Join(dir, name), documents[name])
		}},
		"oapi-codegen.go": {"../../..", func(t *testing.T, dir, name string) {
			t.Helper()
			oapiClient(t, s, dir, name)
		}},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			goModule(t, dir, clients.module)
			copyFile(t, filepath.Join(examples, "ogen.yaml"), filepath.Join(dir, "ogen.yaml"))
			clients.generate(t, dir, "source")
			clients.generate(t, dir, "target")
			copyFile(t, filepath.Join(examples, program), filepath.Join(dir, "main.go"))
			if got := run(t, dir, env, "go", "run", "main.go"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

const (
	node     = "../../../tools/openapi"
	examples = "../../../examples/clients"
)

// goModule makes a module in dir that can import what another one does.
func goModule(t *testing.T, dir, other string) {
	t.Helper()
	module, err := os.ReadFile(filepath.Join(other, "go.mod"))
	must(t, err)
	_, rest, _ := bytes.Cut(module, []byte("\n"))
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), append([]byte("module example\n"), rest...), 0o600))
	copyFile(t, filepath.Join(other, "go.sum"), filepath.Join(dir, "go.sum"))
}

// oapiClient makes a client of a server in dir, in the package of its name.
func oapiClient(t *testing.T, s system, dir, name string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	document := filepath.Join(dir, name+".json")
	s.download(t, map[string]string{"source": s.sourceURL, "target": s.targetURL}[name]+"/openapi.json", document)
	run(t, "../../..", s.env(), "go", "tool", "-modfile=tools/oapi-codegen/go.mod", "oapi-codegen",
		"-generate", "types,client", "-package", name, "-o", filepath.Join(dir, name, "client.go"), document)
}

func (s system) download(t *testing.T, url, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	must(t, os.WriteFile(path, body, 0o600))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o600))
}
