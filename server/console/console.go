// Package console serves the console's page at /, and what it loads under /console/.
// The page is TypeScript in src/, bundled into gen/console; it reads the target API as
// any client does, by addresses relative to its own.
package console

import (
	"bytes"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/vearutop/statigz"

	"github.com/delfos/delfos/gen/console"
	"github.com/delfos/delfos/server/httpserve"
)

// policy lets the page load from its own server alone, and run only what it loads:
// strings never become code or markup, but for lit-html's own templates and the address
// of the worker that the document names.
const policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; object-src 'none'; frame-ancestors 'self'; " +
	"require-trusted-types-for 'script'; trusted-types lit-html worker"

// Mount adds the page to r.
func Mount(r chi.Router) {
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		httpserve.Secure(w, policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache") // it names the files of this version
		_, _ = w.Write(page(r.URL.Query()))         //nolint:gosec // G705: page escapes what it takes over. Or the client has left.
	})
	serve := http.StripPrefix("/console/", statigz.FileServer(console.Files, statigz.FSPrefix("files")))
	entries, _ := console.Files.ReadDir("files") // it is there, or this would not compile
	// A route a file, so that what isn't there is the router's 404.
	for _, entry := range entries {
		r.Get("/console/"+strings.TrimSuffix(entry.Name(), ".gz"), func(w http.ResponseWriter, r *http.Request) {
			httpserve.Secure(w, policy)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // its name has its hash
			serve.ServeHTTP(w, r)
		})
	}
}

// page is the page of the view that an address names, or else of the overview, which the
// script shows then.
func page(asked url.Values) []byte {
	text, err := console.Pages.ReadFile("pages/" + asked.Get("view") + ".html")
	if err != nil {
		text, _ = console.Pages.ReadFile("pages/overview.html") // it is there
	}
	of := url.Values{"brief": {"true"}, "limit": {"800"}}
	for _, name := range []string{"from", "to"} {
		if day := asked.Get(name); day != "" {
			of.Set(name, day)
		}
	}
	return bytes.Replace(text, []byte("{range}"), []byte(html.EscapeString("?"+of.Encode())), 1)
}
