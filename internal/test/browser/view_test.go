//go:build browser

package browser_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// views are the addresses of the console's views over a loaded year.
func views() map[string]string {
	return map[string]string{
		"overview": "", "calendar": "?view=calendar", "runs": "?view=runs", "run": "?view=runs&run=1", "day": "?view=day&day=2025-03-01",
		"data": "?view=data", "power curve": "?view=power-curve", "energy": "?view=energy", "distribution": "?view=distribution", "farm": "?view=farm",
	}
}

// Every view of a loaded year opens and has a heading, without a fault of any kind, and
// axe-core finds nothing in it, in both themes, on a screen and on a phone.
//
//nolint:tparallel // They share a browser.
func TestYear(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 365, 1)
	s.run(t, "etl", "2025-01-01", "--to", "2025-12-31")
	s.orchestrate(t)
	browser := newBrowser(t)
	for name, address := range views() {
		t.Run(name, func(t *testing.T) {
			p := open(t, browser, s.url, address)
			for _, theme := range []string{"light", "dark"} {
				for _, width := range []int64{1280, 400} {
					p.theme(theme)
					p.do(chromedp.EmulateViewport(width, 900))
					p.settle()
					if heading := value[string](p, `document.querySelector("main h1")?.innerText ?? ""`); heading == "" {
						t.Error("the view has no heading")
					}
					if over := value[float64](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
						t.Errorf("the page is %.0f pixels wider than a window of %d", over, width)
					}
					for _, fault := range p.axe() {
						t.Errorf("%s, %d pixels wide: %s", theme, width, fault)
					}
				}
			}
			if name == "overview" {
				return
			}
			p.open("")
			p.follow(address)
		})
	}
	t.Run("chart", func(t *testing.T) {
		zoom(t, s, open(t, browser, s.url, "?view=data&start=2025-01-01&end=2026-01-01&variables=power"))
	})
	t.Run("pointers", func(t *testing.T) { pointers(open(t, browser, s.url, "")) })
}

// follow goes to a view of the navigation by a click, if it is there.
func (p *page) follow(address string) {
	p.t.Helper()
	link := `document.querySelector('nav a[href="` + address + `"]')`
	if !p.holds(link) {
		return
	}
	p.do(clickOn(p, link))
	p.wait(`location.search === ` + quoted(address) + ` && ` + link + `.getAttribute("aria-current") === "page"`)
	p.settle()
}

// check fails the test for what axe-core finds wrong in the light theme, and with the
// colours of the dark one.
func (p *page) check(what string) {
	p.t.Helper()
	for theme, rules := range map[string][]string{"light": nil, "dark": {"color-contrast"}} {
		p.theme(theme)
		p.frames()
		for _, fault := range p.axe(rules...) {
			p.t.Errorf("%s, %s: %s", what, theme, fault)
		}
	}
}

// axe is what axe-core finds wrong, by all of its rules unless some are named.
func (p *page) axe(rules ...string) []string {
	p.t.Helper()
	script, err := os.ReadFile(root + "/tools/console/node_modules/axe-core/axe.min.js")
	if err != nil {
		p.t.Fatalf("%v: npm ci --prefix tools/console installs it", err)
	}
	// The page's policy is not for what a test brings along.
	p.do(call(devtools.SetBypassCSP, devtools.SetBypassCSPParams{Enabled: true}))
	p.do(chromedp.Evaluate[chromedp.Void](string(script)))
	type finding struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	options := "{}"
	if len(rules) > 0 {
		options = `{ runOnly: ` + quoted(strings.Join(rules, ",")) + `.split(",") }`
	}
	found := value[[]finding](p, `axe.run(`+options+`).then(({ violations }) => violations)`)
	p.do(call(devtools.SetBypassCSP, devtools.SetBypassCSPParams{Enabled: false}))
	var faults []string
	for _, one := range found {
		for _, node := range one.Nodes[:min(3, len(one.Nodes))] {
			faults = append(faults, fmt.Sprintf("%s (%s), %d times: %s: %s", one.ID, one.Help, len(one.Nodes), node.HTML, strings.Join(strings.Fields(node.FailureSummary), " ")))
		}
	}
	return faults
}
