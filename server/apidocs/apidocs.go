// Package apidocs serves a server's contract: openapi.yaml byte for byte, the part of it
// that this server answers as JSON, and two pages that show that part, Swagger UI at
// /docs and ReDoc at /redoc. All that the pages need is embedded: their
// Content-Security-Policy forbids ReDoc its makers' logo from outside.
package apidocs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
	"go.yaml.in/yaml/v3"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

//go:embed redoc
var redoc embed.FS

// The pages have verbs for their title and for the path before all others. Swagger UI's
// loads what swgui embeds; swgui's own page would read and unpack it before main.
var (
	//go:embed swagger.html
	swaggerPage string
	//go:embed redoc.html
	redocPage string
)

// policy lets a page load from its own server alone. Both pages style inline,
// Swagger UI has a script inline, and ReDoc searches in a worker from a blob.
const policy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"

// Home leads to /docs, for a server whose / is nothing else.
func Home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", httpserve.URL(r, "/docs", ""))
	w.WriteHeader(http.StatusSeeOther)
}

// Mount adds /docs, /redoc, /openapi.yaml and /openapi.json to r, for a contract in YAML
// and the server that answers the operations of tag. A contract that cannot be read makes
// /openapi.json a 500. Paths follow the prefix under which a request reached the server.
func Mount(r chi.Router, title, tag string, spec []byte) {
	page := func(layout string) http.Handler {
		return own(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text := fmt.Appendf(nil, layout, html.EscapeString(title), httpserve.PathOf(r, ""))
			file("text/html; charset=utf-8", text).ServeHTTP(w, r)
		}))
	}
	r.Method(http.MethodGet, "/docs", page(swaggerPage))
	// It reads every file to begin with: not before somebody opens the page.
	swagger := sync.OnceValue(func() http.Handler { return http.StripPrefix("/docs/", statigz.FileServer(static.FS)) })
	parts := own(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { swagger().ServeHTTP(w, r) }))
	// A route a file, so that what isn't there is the router's 404.
	for _, name := range names(static.FS, ".") {
		r.Method(http.MethodGet, "/docs/"+strings.TrimSuffix(name, ".gz"), parts)
	}

	r.Method(http.MethodGet, "/redoc", page(redocPage))
	for _, name := range names(redoc, "redoc") {
		r.Method(http.MethodGet, "/redoc/"+name, own(http.FileServerFS(redoc)))
	}

	asJSON := sync.OnceValues(func() ([]byte, error) { return toJSON(spec, tag) })
	r.Get("/openapi.yaml", func(w http.ResponseWriter, req *http.Request) {
		file("application/yaml", under(httpserve.PathOf(req, ""), spec)).ServeHTTP(w, req)
	})
	r.Get("/openapi.json", func(w http.ResponseWriter, req *http.Request) {
		b, err := asJSON()
		if err != nil {
			problem.Write(w, req, err)
			return
		}
		file("application/json", under(httpserve.PathOf(req, ""), b)).ServeHTTP(w, req)
	})
}

func names(files embed.FS, dir string) []string {
	entries, _ := files.ReadDir(dir) // it is there, or this would not compile
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// under is a contract, YAML or JSON as this package writes it, as it is under a
// prefix: its servers are written as paths.
func under(prefix string, contract []byte) []byte {
	if prefix == "" {
		return contract
	}
	text := strings.NewReplacer(
		"- url: /\n", "- url: "+prefix+"\n",
		`"url":"/"`, `"url":"`+prefix+`"`,
	).Replace(string(contract))
	return []byte(text)
}

func own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpserve.Secure(w, policy)
		next.ServeHTTP(w, r)
	})
}

func file(contentType string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

// toJSON converts a YAML document whose keys are all strings, as OpenAPI's are,
// to what concerns one server.
func toJSON(spec []byte, tag string) ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(spec, &document); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	narrow(document, tag)
	b, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write openapi.yaml as JSON: %w", err)
	}
	return b, nil
}

// narrow removes from a contract what does not concern the server of a tag. The servers
// of its paths become those of the document, because a path that both servers answer
// names none.
func narrow(document map[string]any, tag string) {
	paths, _ := document["paths"].(map[string]any)
	elsewhere := make(map[any]bool)
	var answered []map[string]any
	for path, item := range paths {
		members, _ := item.(map[string]any)
		count := len(answered)
		for method, member := range members {
			operation, _ := member.(map[string]any)
			tags, ok := operation["tags"].([]any)
			switch {
			case !ok: // The member concerns all operations of the path.
			case slices.Contains(tags, any(tag)):
				answered = append(answered, operation)
			default:
				for _, t := range tags {
					elsewhere[t] = true
				}
				delete(members, method)
			}
		}
		if len(answered) == count {
			delete(paths, path)
		} else if servers, ok := members["servers"]; ok {
			document["servers"] = servers
			delete(members, "servers")
		}
	}
	for _, operation := range answered {
		tags, _ := operation["tags"].([]any)
		operation["tags"] = slices.DeleteFunc(tags, func(t any) bool { return elsewhere[t] })
	}
	if tags, ok := document["tags"].([]any); ok {
		document["tags"] = slices.DeleteFunc(tags, func(t any) bool {
			about, _ := t.(map[string]any)
			return elsewhere[about["name"]]
		})
	}
	prune(document)
}

// prune removes the components that nothing outside them leads to.
func prune(document map[string]any) {
	components, _ := document["components"].(map[string]any)
	used := make(map[string]bool)
	var follow func(node any)
	follow = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, child := range node {
				follow(child)
			}
		case map[string]any:
			ref, _ := node["$ref"].(string)
			if name, ok := strings.CutPrefix(ref, "#/components/"); ok && !used[name] {
				used[name] = true
				kind, key, _ := strings.Cut(name, "/")
				members, _ := components[kind].(map[string]any)
				follow(members[key])
			}
			for _, child := range node {
				follow(child)
			}
		}
	}
	follow(document["paths"])
	for kind, members := range components {
		if kind == "securitySchemes" { // led to by name
			continue
		}
		members, _ := members.(map[string]any)
		maps.DeleteFunc(members, func(key string, _ any) bool { return !used[kind+"/"+key] })
		if len(members) == 0 {
			delete(components, kind)
		}
	}
}
