//go:build browser

package browser_test

import (
	"context"
	"flag"
	"slices"
	"testing"

	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var measured = flag.Bool("measure", false, "print how long views take, of much data")

// TestMeasure prints how long it takes from an address to what it shows, the first time
// and then, on this machine. Nothing runs beside it.
func TestMeasure(t *testing.T) {
	if !*measured {
		t.Skip("-measure is not set")
	}
	const charts = `document.querySelector(".charts[aria-busy=false] canvas") && document.querySelector('[data-value^="power-"]').textContent.includes(" to ")`
	t.Run("a year of a turbine", func(t *testing.T) {
		s := setup(t)
		s.seed(t, 365, 1)
		s.run(t, "etl", "2025-01-01", "--to", "2025-12-31")
		s.orchestrate(t)
		browser := newBrowser(t)
		measure(t, browser, s, "overview", "", `document.querySelectorAll("td[data-day]").length >= 365 && document.querySelector(".figure")`)
		measure(t, browser, s, "a year's chart, three variables", "?view=data&start=2025-01-01&end=2026-01-01", charts)
	})
	t.Run("20,000 days", func(t *testing.T) {
		s := setup(t)
		s.done(t, 20_000)
		s.orchestrate(t)
		browser := newBrowser(t)
		const calendar = "?view=calendar&from=1970-04-05&to=2025-01-05"
		measure(t, browser, s, "calendar, the days that are seen", calendar, `document.querySelectorAll("td[data-day]").length > 300`)
		measure(t, browser, s, "calendar, all days", calendar, `document.querySelectorAll("td[data-day]").length === 20000`)
	})
	t.Run("30 days of 100 turbines", func(t *testing.T) {
		s := setup(t)
		s.seed(t, 30, 100)
		s.run(t, "etl", "2025-01-01", "--to", "2025-01-30")
		s.orchestrate(t)
		browser := newBrowser(t)
		const month = "&start=2025-01-01&end=2025-01-31"
		measure(t, browser, s, "chart of four", "?view=data"+month, charts)
		measure(t, browser, s, "power curve", "?view=power-curve"+month, `document.querySelector("main canvas")`)
		measure(t, browser, s, "energy and coverage", "?view=energy"+month, `document.querySelector("main table.heat td")`)
	})
}

func measure(t *testing.T, browser context.Context, s *system, what, address, shown string) {
	t.Helper()
	t.Run(what, func(t *testing.T) {
		p := newPage(t, browser, s.url)
		p.do(call(devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: `
			const look = () => { if (` + shown + `) window.shownAfter = performance.now(); else requestAnimationFrame(look); };
			requestAnimationFrame(look);`}))
		var took []float64
		for range 7 {
			p.do(chromedp.Navigate(p.base.String() + address))
			p.wait("window.shownAfter")
			took = append(took, value[float64](p, "window.shownAfter"))
			p.settle()
		}
		first := took[0]
		slices.Sort(took)
		t.Logf("%s: first %.0f ms, median of %d %.0f ms", what, first, len(took), took[len(took)/2])
	})
}
