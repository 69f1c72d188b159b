//go:build browser

package browser_test

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/delfos/delfos/server/auth"
)

// Where the server asks who its clients are, the page asks for a token once, returns to its
// address, follows the events by its cookie, and asks again when the token is revoked.
func TestSignIn(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	create := func(name string, scope auth.Scope) string {
		token, err := auth.Create(t.Context(), tokens, auth.Token{Name: name, Scope: scope})
		must(t, err)
		return token
	}
	ana := create("ana", "operate")
	s := setup(t, "AUTH_TOKENS_FILE="+tokens, "SOURCE_API_TOKEN="+create("etl", "read"))
	s.seed(t, 2, 1)
	s.run(t, "etl", "2025-01-01")
	s.orchestrate(t)

	const address = "?view=calendar&from=2025-01-01&to=2025-01-02"
	const asked = `document.querySelector("dialog[open] #token") !== null`
	p := newPage(t, newBrowser(t), s.url)
	p.expect(s.url)
	t.Cleanup(p.judge)
	p.do(chromedp.Navigate(s.url + "/river/")) // which leads to the console
	p.wait(asked)
	p.open(address)
	p.wait(asked)
	p.do(chromedp.SendKeys("#token", "delfos_wrong\r"))
	p.wait(`document.querySelector("dialog .failure")?.innerText.includes("not one of this server's")`)
	p.do(chromedp.SetValue("#token", ana), chromedp.Click("dialog .primary"))
	p.wait(connectionIs("live") + " && " + days("done") + " === 1")
	p.wait(`location.search === "` + address + `" && document.querySelector("footer").innerText.includes("Signed in as ana (operate)")`)
	if !p.holds(`document.cookie === ""`) {
		t.Error("a script can read the cookie")
	}
	s.run(t, "etl", "2025-01-02")
	p.wait(days("done") + " === 2") // as an event said

	must(t, auth.Revoke(t.Context(), tokens, "ana"))
	p.do(chromedp.Click("a[href*='view=runs']"))
	p.wait(asked)
}
