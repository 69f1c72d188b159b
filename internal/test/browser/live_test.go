//go:build browser

package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A page whose server goes away says so, and is live again when the server is back, with
// what happened in between.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3, 1)
	s.run(t, "etl", "2025-01-01")
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "?view=calendar&from=2025-01-01&to=2025-01-03")
	p.wait(connectionIs("live") + " && " + days("done") + " === 1")
	p.expect(s.url)
	s.orchestrator.stop()
	p.wait(connectionIs("reconnecting; as of"))
	s.run(t, "etl", "2025-01-02", "--to", "2025-01-03")
	p.wait(days("done") + " === 1")
	s.orchestrate(t)
	p.wait(connectionIs("live"))
	p.wait(days("done") + " === 3")
}

func connectionIs(status string) string {
	return `document.querySelector(".connection").innerText.includes("` + status + `")`
}

// Any number of tabs of one window work, though a browser has six connections for a server.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.orchestrate(t)
	browser := newBrowser(t)
	for range 8 {
		p := newPage(t, browser, s.url, chromedp.WithNewWindow(false))
		t.Cleanup(p.judge)
		p.open("")
		p.wait(connectionIs("live"))
	}
}

// While the source's API is away, every view shows what the target has, and an action
// that needs the source names its request.
func TestSourceAway(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3, 2)
	s.run(t, "etl", "2025-01-01", "--to", "2025-01-03")
	s.orchestrate(t)
	s.gateway.setAway(true)
	p := open(t, newBrowser(t), s.url, "")
	for name, address := range views() {
		p.open(address)
		if p.holds(`document.querySelector(".failure")`) {
			t.Errorf("%s: %s", name, value[string](p, `document.querySelector(".failure").innerText`))
		}
	}
	p.open("?view=calendar&from=2025-01-01&to=2025-01-03")
	p.do(clickOn(p, cell("2025-01-02")))
	p.expect("/runs")
	p.click("button", "Load")
	p.click("dialog label", "Stale")
	p.wait(`/Request \w+/.test(document.querySelector("dialog .failure").innerText)`)
	p.wait(element("dialog button", "Confirm") + ".disabled")
	s.gateway.setAway(false)
	p.click("dialog button", "Close")
	p.click("button", "Load")
	p.click("dialog label", "Stale")
	p.wait(`document.querySelector("dialog .plan").innerText.startsWith("0 days would be loaded")`)
}
