//go:build browser

package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
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

	// To the right by a quarter of its width, and back; by the wheel to the left, and nearer.
	begins := func(day string) string {
		return `Math.abs(Date.parse(new URLSearchParams(location.search).get("start")) - Date.parse(` + quoted(day) + `)) < 2 * 864e5`
	}
	p.wait(begins("2025-04-02"))
	p.drag(at(0.5), at(0.25), chromedp.ModifierShift)
	p.wait(days(182.5) + " && " + begins("2025-05-18"))
	settled()
	p.wheel(middle, point{X: -width / 4}, 0)
	p.wait(days(182.5) + " && " + begins("2025-04-02"))
	settled()
	p.wheel(middle, point{Y: -100}, chromedp.ModifierCtrl)
	p.wait(days(110.7)) // by the root of e
	settled()
	p.wheel(middle, point{Y: 100}, 0)
	p.wait(days(110.7) + " && scrollY > 0") // as everywhere

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

// The calendar takes a finger, and the heat map takes the arrow keys.
func pointers(p *page) {
	p.t.Helper()
	p.do(call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true}))
	p.open("?view=calendar&from=2025-01-01&to=2025-12-31")
	p.tap(cell("2025-03-04"))
	p.wait(`new URLSearchParams(location.search).get("select") === "2025-03-04,2025-03-04"`)
	p.see(".glance h2", "2025-03-04")
	p.tap(cell("2025-11-30"))
	p.wait(`document.querySelectorAll('td[aria-selected="true"]').length === 1 && ` + cell("2025-11-30") + `.ariaSelected === "true"`)

	p.open("?view=energy&start=2025-02-01&end=2025-03-01")
	p.focus(`document.querySelector('.heat td [tabindex="0"]')`)
	const on = `(() => { const cell = document.activeElement.closest(".heat td"); return [cell.parentElement.rowIndex, cell.cellIndex].join(); })()`
	for _, move := range []struct{ key, to string }{{kb.ArrowRight, "1,2"}, {kb.End, "1,28"}, {kb.ArrowRight, "1,28"}, {kb.ArrowLeft, "1,27"}, {kb.ArrowDown, "1,27"}, {kb.Home, "1,1"}} {
		p.press(move.key)
		p.wait(on + " === " + quoted(move.to))
	}
	p.wait(`document.querySelectorAll('.heat td [tabindex="0"]').length === 1`)
}
