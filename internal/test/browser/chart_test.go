//go:build browser

package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// A chart of a year shows its highest peak, is zoomed by the mouse and by keys, and is
// read out.
func zoom(t *testing.T, s *system, p *page) { //nolint:thelper // It is a test, of the year that others look at too.
	const year = "?view=data&start=2025-01-01&end=2026-01-01&variables=power"
	days := func(at float64) string {
		return fmt.Sprintf(`Math.abs((Date.parse(new URLSearchParams(location.search).get("end")) - Date.parse(new URLSearchParams(location.search).get("start"))) / 864e5 - %v) < 2`, at)
	}
	settled := func() {
		t.Helper()
		p.wait(`document.querySelector(".charts[aria-busy=false]")`)
		p.settle()
	}
	settled()
	peak := pgtest.Query[float64](t, s.target, "SELECT max(value) FROM data WHERE signal_id = (SELECT id FROM signal WHERE name = 'power_max')")
	p.wait(fmt.Sprintf(`Math.abs(Number(document.querySelector('[data-value="power-1"]').textContent.split(" to ")[1].replaceAll(",", "")) - %v) < 1`, peak))

	// By the mouse: the middle half of the year, half of that, and back.
	middle := p.at(`document.querySelector(".u-over")`)
	width := value[float64](p, `document.querySelector(".u-over").clientWidth`)
	at := func(share float64) point { return point{middle.X + width*(share-0.5), middle.Y} }
	p.drag(at(0.25), at(0.75))
	p.wait(days(182.5))
	settled()
	p.drag(at(0.25), at(0.75))
	p.wait(days(91.25))
	settled()
	p.do(chromedp.MouseClickXY(middle.X, middle.Y, chromedp.ClickCount(2)))
	p.wait(days(182.5))
	settled()

	// By keys alone.
	p.open(year)
	settled()
	p.tabTo(`document.activeElement.getAttribute("role") === "application"`)
	p.press("+")
	p.wait(days(182.5))
	settled()
	p.press("+")
	p.wait(days(91.25))
	settled()
	before := value[string](p, "location.search")
	p.press(kb.PageDown)
	p.wait("location.search !== " + quoted(before) + " && " + days(91.25))
	settled()
	p.press(kb.Home + kb.ArrowRight)
	const said = `document.activeElement.querySelector("[aria-live]").textContent`
	p.wait(said + `.includes("Power in kW: Turbine 1 ")`)
	first := value[string](p, said)
	p.press(kb.ArrowRight, chromedp.ModifierShift)
	p.wait(said + " !== " + quoted(first) + " && " + said + `.includes("Turbine 1")`)
	for _, back := range []float64{91.25, 182.5, 365} {
		p.press(kb.Backspace)
		p.wait(days(back))
		settled()
	}
}
