//go:build browser

package browser_test

import (
	"strings"
	"testing"

	devtools "github.com/chromedp/cdproto/page"
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

// Any number of windows follow what happens, though a browser has six connections for a
// server: they share one stream. A page without the means to share has its own.
func TestManyWindows(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.orchestrate(t)
	browser := newBrowser(t)
	var pages []*page
	open := func(script string) {
		p := newPage(t, browser, s.url)
		t.Cleanup(p.judge)
		p.do(call(devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: script}))
		if script != "" {
			p.expect("Failed to fetch a worker script")
		}
		p.open("?view=farm")
		p.wait(connectionIs("live") + " && !document.hidden")
		pages = append(pages, p)
	}
	for range 7 {
		open("")
	}
	open("delete window.SharedWorker")
	open(`new MutationObserver(() => document.querySelector("script[data-worker]")?.setAttribute("data-worker", "console/worker-gone.js"))
		.observe(document, { childList: true, subtree: true })`)
	// The schedule is paused, and goes on, by the page, which says by whom.
	for _, action := range []string{"Pause the schedule", "Resume the schedule"} {
		pages[0].click("button", action)
		changed := strings.ToLower(strings.Fields(action)[0]) + "d"
		for _, p := range pages {
			p.wait("!(" + element("button", action) + ")")
			p.wait(`document.querySelector("dl").innerText.includes("` + changed + ` by anonymous at ")`)
		}
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
	p.check("the dialog of a source that is away")

	// A day that is tried again moves nothing.
	p.click("dialog label", "All")
	p.wait(element("dialog button", "Confirm") + ".disabled === false")
	p.click("dialog button", "Confirm")
	p.wait(onRun)
	p.open("?view=calendar&from=2025-01-01&to=2025-01-03&select=2025-01-02")
	const again = `[...document.querySelectorAll(".glance dt")].find((one) => one.innerText === "Tried again")?.nextElementSibling.innerText`
	p.wait(again)
	first, before := value[string](p, again), p.moved()
	p.wait(again + " && " + again + " !== " + quoted(first))
	if after := p.moved(); after != before {
		t.Errorf("the page has moved by %.4f while a day was tried again: %s", after-before, p.shifted)
	}
	p.open("")
	p.see(".attention", "Needs attention")
	p.check("the overview of a source that is away")
	p.open("?view=calendar&from=2025-01-01&to=2025-01-03&select=2025-01-02")
	s.gateway.setAway(false)
	p.click("button", "Load")
	p.click("dialog label", "Stale")
	p.wait(`document.querySelector("dialog .plan").innerText.startsWith("0 days would be loaded")`)
}
