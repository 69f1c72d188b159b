//go:build browser

package browser_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// Content and navigation are reached by keyboard alone, and theme and time zone are
// kept: the one with the browser, the other in the address.
func TestShellByKeyboard(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "")
	const zones = `document.querySelector(".settings select")`
	p.wait(zones + `.options.length > 100`)
	if !p.holds(`(() => {
		const few = ` + zones + `.cloneNode(true);
		few.length = 1;
		` + zones + `.after(few);
		const same = few.offsetWidth === ` + zones + `.offsetWidth;
		few.remove();
		return same;
	})()`) {
		t.Error("the zones' list grows with the zones")
	}
	p.press(kb.Tab)
	p.wait(`document.activeElement.innerText === "Skip to content" && document.activeElement.getBoundingClientRect().x >= 0`)
	p.press(kb.Enter)
	p.wait(`document.activeElement.id === "content"`)

	p.focus(`document.querySelector("nav a")`)
	p.press(kb.Tab + kb.Enter)
	p.wait(`location.search === "?view=calendar" && document.title.endsWith(" – Delfos")`)
	p.settle()

	p.focus(`[...document.querySelectorAll("select")].find((one) => one.parentElement.textContent.trim().startsWith("Theme"))`)
	p.press("d")
	const dark = `getComputedStyle(document.body).backgroundColor === "rgb(20, 24, 28)"`
	p.wait(dark)
	p.focus(`[...document.querySelectorAll("select")].find((one) => one.parentElement.innerText.startsWith("Times in"))`)
	p.press("Europe/Lis")
	p.wait(`new URLSearchParams(location.search).get("tz") === "Europe/Lisbon"`)
	p.open(strings.TrimPrefix(value[string](p, "location.href"), p.base.String()))
	p.wait(dark + ` && document.querySelector("footer").innerText.includes("Europe/Lisbon")`)
}

// Behind a proxy that shows the console under a path, every view asks for nothing
// beside that path.
func TestPrefix(t *testing.T) {
	t.Parallel()
	const prefix = "/wind/delfos"
	s := setup(t, "BASE_PATH="+prefix)
	s.seed(t, 2, 1)
	s.run(t, "etl", "2025-01-01", "--to", "2025-01-02")
	s.orchestrate(t)
	to, err := url.Parse(s.url)
	must(t, err)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := http.StripPrefix(prefix, &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.Error(w, "beside the path", http.StatusTeapot)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	p := open(t, newBrowser(t), front.URL+prefix, "")
	for _, address := range views() {
		p.open(address)
		p.wait(`document.querySelector(".connection.live")`)
	}
	p.open("")
	for _, address := range views() {
		p.follow(address)
	}
	p.do(clickOn(p, `document.querySelector("footer a")`))
	p.wait(`location.pathname === "` + prefix + `/docs"`)
}
