// Command console bundles the console's page by esbuild: server/console/src with the
// libraries of server/console/vendor, into gen/console. No node is needed. It is run in
// the repository's root.
//
// A file's name has a hash of its content, so that browsers may keep it for ever, and
// it is compressed beforehand. Each view has a page, index.html with the files that the
// view needs and the lines that are for it, so that a browser need not find what it loads
// one after another.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/klauspost/compress/gzip"
)

const (
	source = "server/console"
	target = "gen/console"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

func run() error {
	vendored := func(name string) string { return "./" + filepath.Join(source, "vendor", name) }
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(source, "src/main.ts"), filepath.Join(source, "src/worker.ts")},
		Outdir:      filepath.Join(target, "files"),
		EntryNames:  "[name]-[hash]",
		ChunkNames:  "[name]-[hash]",
		Bundle:      true,
		Splitting:   true,
		Format:      api.FormatESModule,
		Target:      api.ES2022,
		Charset:     api.CharsetUTF8,
		// Licences stand in server/console/vendor.
		LegalComments:     api.LegalCommentsNone,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Alias: map[string]string{
			"lit-html":          vendored("lit-html"),
			"uplot":             vendored("uplot/uPlot.esm.js"),
			"uplot.css":         vendored("uplot/uPlot.min.css"),
			"@uwdata/flechette": vendored("flechette/flechette.mjs"),
		},
		Metafile:    true,
		TsconfigRaw: `{"compilerOptions":{"verbatimModuleSyntax":true}}`,
		LogLevel:    api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return fmt.Errorf("%d errors", len(result.Errors))
	}
	var script, style, worker string
	for _, file := range result.OutputFiles {
		name := filepath.Base(file.Path)
		switch {
		case strings.HasPrefix(name, "main-") && strings.HasSuffix(name, ".js"):
			script = name
		case strings.HasPrefix(name, "main-") && strings.HasSuffix(name, ".css"):
			style = name
		case strings.HasPrefix(name, "worker-"):
			worker = name
		}
		if err := write("files", name+".gz", compress(file.Contents)); err != nil {
			return err
		}
	}
	page, err := os.ReadFile(filepath.Join(source, "src/index.html"))
	if err != nil {
		return err
	}
	needed, err := closures(result.Metafile, script)
	if err != nil {
		return err
	}
	for view, names := range needed {
		var preloads strings.Builder
		for _, name := range names {
			fmt.Fprintf(&preloads, "<link rel=\"modulepreload\" href=\"console/%s\">\n", name)
		}
		text := strings.NewReplacer("{script}", script, "{style}", style, "{worker}", worker, "{preloads}\n", preloads.String()).Replace(linesFor(view, string(page)))
		if err := write("pages", view+".html", []byte(text)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(target, "console.go"), []byte(embed), 0o644)
}

// closures are the scripts that the page's script and a view import, sorted, by view.
func closures(metafile, script string) (map[string][]string, error) {
	type output struct {
		EntryPoint string
		Imports    []struct{ Path, Kind string }
	}
	var meta struct{ Outputs map[string]output }
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return nil, fmt.Errorf("read what esbuild made: %w", err)
	}
	var add func(path string, to map[string]bool)
	add = func(path string, to map[string]bool) {
		name := filepath.Base(path)
		if to[name] {
			return
		}
		to[name] = true
		for _, i := range meta.Outputs[path].Imports {
			if i.Kind == "import-statement" {
				add(i.Path, to)
			}
		}
	}
	views := map[string][]string{}
	for path, out := range meta.Outputs {
		if filepath.Base(filepath.Dir(out.EntryPoint)) != "views" {
			continue
		}
		needed := map[string]bool{}
		add(filepath.Join(target, "files", script), needed)
		add(path, needed)
		delete(needed, script) // it stands in every page
		views[strings.TrimSuffix(filepath.Base(out.EntryPoint), ".ts")] = slices.Sorted(maps.Keys(needed))
	}
	return views, nil
}

// dataView is the part of a line that says which views the line is for.
var dataView = regexp.MustCompile(` data-view="([^"]*)"`)

// linesFor is the page without the lines that are for other views.
func linesFor(view, page string) string {
	var lines strings.Builder
	for line := range strings.Lines(page) {
		if of := dataView.FindStringSubmatch(line); of == nil || slices.Contains(strings.Fields(of[1]), view) {
			lines.WriteString(dataView.ReplaceAllString(line, ""))
		}
	}
	return lines.String()
}

// compress is the content as gzip has it. The library is pinned, so that the bytes are
// the same whichever Go builds it.
func compress(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that there is
	w.Write(content)
	w.Close()
	return b.Bytes()
}

func write(folder, name string, content []byte) error {
	path := filepath.Join(target, folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

const embed = `// Code generated by tools/console. DO NOT EDIT.

// Package console has the console's page, as a browser loads it.
package console

import "embed"

// Pages has the page of each view, under its name.
//
//go:embed pages
var Pages embed.FS

// Files are what the page loads, each compressed by gzip.
//
//go:embed files
var Files embed.FS
`
