//go:build browser

package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The tests of the console's pages see what may go wrong in a page.
//
//nolint:tparallel // They share a browser.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	const shell = `<!DOCTYPE html><title>x</title><main aria-busy="false"><p id="first">first</p><p style="height: 300px">second</p></main><script src="script"></script>`
	browser := newBrowser(t)
	for name, tt := range map[string]struct{ script, want string }{
		"nothing":         {``, ""},
		"error":           {`console.error("no", 1)`, "console.error: \"no\" 1"},
		"warning":         {`console.warn("no")`, "console.warning: \"no\""},
		"exception":       {`nothing.at.all`, "ReferenceError: nothing is not defined"},
		"rejection":       {`Promise.reject(new Error("no"))`, "Error: no"},
		"not found":       {`fetch("missing")`, "/missing: 404"},
		"another host":    {`fetch("http://localhost:1/", { mode: "no-cors" })`, "another host: http://localhost:1/"},
		"forbidden":       {`document.body.append(Object.assign(document.createElement("img"), { src: "data:image/gif,x" }))`, "policy: img-src forbids"},
		"moves by itself": {`requestAnimationFrame(() => requestAnimationFrame(() => (first.style.height = "400px")))`, "moves by itself"},
		"markup of text":  {`document.querySelector("p").innerHTML = "<b>x</b>"`, "policy: require-trusted-types-for"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/":
					w.Header().Set("Content-Security-Policy", "img-src 'self'; require-trusted-types-for 'script'")
					fmt.Fprint(w, shell)
				case "/script":
					w.Header().Set("Content-Type", "text/javascript")
					fmt.Fprint(w, tt.script)
				case "/favicon.ico":
					w.WriteHeader(http.StatusNoContent)
				default:
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(server.Close)
			p := newPage(t, browser, server.URL)
			p.do(chromedp.Navigate(server.URL + "/"))
			p.settle()
			if tt.want != "" {
				p.await("the fault is seen", func() bool { return len(p.found()) > 0 })
			}
			if found := strings.Join(p.found(), "\n"); !strings.Contains(found, tt.want) || tt.want == "" && found != "" {
				t.Errorf("got %q, want %q", found, tt.want)
			}
		})
	}
}
