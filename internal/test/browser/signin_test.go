//go:build browser

package browser_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/delfos/delfos/server/auth"
)

// asked is a page that asks for a token; closed is one of which nothing else is seen.
const (
	asked  = `document.activeElement.matches("main #token")`
	closed = `document.querySelector("main #token") && !document.querySelector("td[data-day], canvas, dialog") && !document.body.innerText.includes("Signed in as")`
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

	const address, other = "?view=calendar&from=2025-01-01&to=2025-01-02", "?view=data&start=2025-01-01&end=2025-01-02"
	browser := newBrowser(t)
	p := newPage(t, browser, s.url)
	p.expect(s.url)
	t.Cleanup(p.judge)
	p.do(chromedp.Navigate(s.url + "/river/")) // which leads to the console
	p.wait(asked)
	p.open(address)
	p.wait(asked)
	p.do(chromedp.SendKeys("#token", "delfos_wrong\r"))
	p.wait(`document.querySelector("main .failure")?.innerText.includes("not one of this server's")`)
	p.signIn(ana)
	p.wait(connectionIs("live") + " && " + days("done") + " === 1")
	p.wait(`location.search === "` + address + `" && document.querySelector("footer").innerText.includes("Signed in as ana (operate)")`)
	if !p.holds(`document.cookie === ""`) {
		t.Error("a script can read the cookie")
	}
	s.run(t, "etl", "2025-01-02")
	p.wait(days("done") + " === 2") // as an event said

	// Who signs out in one window is signed out in all, and who signs in goes on in all.
	q := newPage(t, browser, s.url)
	q.expect(s.url)
	t.Cleanup(q.judge)
	q.open(other)
	q.wait(connectionIs("live") + ` && document.querySelector("main canvas")`)
	q.click("footer button", "Sign out")
	for _, one := range []*page{p, q} {
		one.wait(closed)
		one.wait(connectionIs("signed out"))
	}
	if left := cookies(p); len(left) > 0 {
		t.Errorf("who signed out has the cookies %q", left)
	}
	q.signIn(ana)
	p.wait(connectionIs("live") + " && " + days("done") + ` === 2 && location.search === "` + address + `"`)
	q.wait(connectionIs("live") + ` && document.querySelector("main canvas") && location.search === "` + other + `"`)

	// A session that ends is told once, without a click, and what it showed is gone; so is
	// a question that was open. After another one it goes on where it was.
	p.do(clickOn(p, cell("2025-01-02")))
	p.click("button", "Load")
	p.wait(`document.querySelector("dialog .plan")`)
	at := value[string](p, "location.search")
	must(t, auth.Revoke(t.Context(), tokens, "ana"))
	for _, one := range []*page{p, q} {
		one.wait(closed)
		one.wait(`[...document.querySelectorAll("[role=alert]")].map((said) => said.innerText.slice(0, 29)).join() === "The session of ana has ended:"`)
		one.wait(connectionIs("signed out"))
	}
	if left := cookies(p); len(left) > 0 {
		t.Errorf("whose session was ended has the cookies %q", left)
	}
	p.signIn(create("bob", "read"))
	p.wait(connectionIs("live") + " && " + days("done") + ` === 2 && location.search === ` + quoted(at))
	q.wait(connectionIs("live") + ` && document.querySelector("main canvas") && document.querySelector("footer").innerText.includes("Signed in as bob (read)")`)
}

// signIn gives a token to a page that asks for one.
func (p *page) signIn(token string) {
	p.t.Helper()
	p.wait(`document.querySelector("main #token")`)
	p.do(chromedp.SetValue("#token", token), chromedp.Click("main .primary"))
}

// cookies are the names of those that the browser sends to the page's server.
func cookies(p *page) (names []string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		got, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.base.String()}})
		for _, cookie := range got.Cookies {
			names = append(names, cookie.Name)
		}
		return err
	}))
	return names
}
