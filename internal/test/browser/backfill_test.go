//go:build browser

package browser_test

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// cell is the expression of a day of the calendar.
func cell(day string) string { return `document.querySelector('td[data-day="` + day + `"]')` }

// days reports how many days of the calendar are in a state.
func days(state string) string {
	return `document.querySelectorAll('td[data-day][data-state="` + state + `"]').length`
}

// A backfill is selected on the calendar by keyboard, seen beforehand, confirmed and
// followed to its end; another one is selected by the mouse.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 20, 3)
	s.orchestrate(t)
	browser := newBrowser(t)
	const calendar = "?view=calendar&from=2025-01-01&to=2025-01-20"
	p := open(t, browser, s.url, calendar)
	other := open(t, browser, s.url, calendar)
	p.wait(days("missing") + " === 20")

	// Ten days, by keyboard alone.
	p.tabTo(`document.activeElement.matches("td[data-day]")`)
	p.press(kb.Home)
	p.wait(`document.activeElement === ` + cell("2025-01-01"))
	for range 9 {
		p.press(kb.ArrowRight, chromedp.ModifierShift)
	}
	p.wait(`document.querySelectorAll('td[aria-selected="true"]').length === 10`)
	p.tabTo(`document.activeElement.innerText.startsWith("Load")`)
	p.press(kb.Enter)
	p.see("dialog", "Load 2025-01-01 to 2025-01-10")
	p.wait(`document.querySelector("dialog").innerText.includes("missing 10, failed 0, stale 0")`)
	p.tabTo(`document.activeElement.innerText === "Confirm"`)
	release := s.gateway.hold()
	p.press(kb.Enter)
	p.wait(onRun)
	p.wait(counts("running", 2) + " && " + counts("queued", 8))
	p.wait(`document.querySelector("main").innerText.includes("Why 8 days wait")`)
	p.wait(`/Request [A-Z2-7]{26};/.test(document.querySelector("main").innerText)`)
	other.wait(days("running") + " === 2 && " + days("queued") + " === 8")
	release()
	p.wait(counts("done", 10) + ` && document.querySelector("h1").innerText.includes("done")`)
	p.wait(`document.querySelector(".log").innerText.includes("2025-01-10")`)
	other.wait(days("done") + " === 10 && " + days("missing") + " === 10")

	// The others, by the mouse; one that cannot stop at once is in flight until it does.
	worker := s.start(t, "orchestrate", "--api=false", "--workers", "1")
	release = s.gateway.hold()
	other.drag(other.at(cell("2025-01-11")), other.at(cell("2025-01-20")))
	other.click("button", "Load")
	other.wait(`document.querySelector("dialog").innerText.includes("missing 10, failed 0, stale 0")`)
	other.click("dialog button", "Confirm")
	other.wait(onRun)
	other.wait(counts("running", 3) + " && " + counts("queued", 7))
	p.open(calendar)
	must(t, worker.Process.Signal(syscall.SIGSTOP))
	other.click("button", "Cancel the run")
	other.wait(`document.querySelector("h1").innerText.includes("stopping")`)
	other.wait(`document.querySelector(".steps [aria-current=step]").innerText.startsWith("stopping: 1 day in flight")`)
	p.wait(days("cancelled") + " === 9 && " + days("running") + " === 1")
	must(t, worker.Process.Signal(syscall.SIGCONT))
	other.wait(`document.querySelector(".steps [aria-current=step]").innerText.startsWith("cancelled: 0 loaded, 10 not")`)
	p.wait(days("cancelled") + " === 10")
	release()
	other.click("button", "Retry what is not done")
	other.wait(`document.querySelector("h1").innerText.includes("done")`)
	p.wait(days("done") + " === 20")
}

// onRun reports whether the page shows one run.
const onRun = `/^\?view=runs&run=\d+$/.test(location.search)`

// counts reports whether a run has so many days in a state.
func counts(state string, n int) string {
	return `[...document.querySelectorAll(".progress .badge")].some((one) => one.innerText.trim() === "` + state + " " + strconv.Itoa(n) + `")`
}

// tabTo presses Tab until what has the focus is what is wanted.
func (p *page) tabTo(wanted string) {
	p.t.Helper()
	for range 60 {
		p.press(kb.Tab)
		if p.holds(wanted) {
			return
		}
	}
	p.t.Fatalf("Tab does not lead to %s; it ends at %s", wanted, value[string](p, "document.activeElement.outerHTML"))
}

// A day that fails and a day that is stale are shown as such, in the calendar and on
// the day's own page.
func TestFailingAndStaleDay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 5, 1)
	s.run(t, "etl", "2025-01-01", "--to", "2025-01-05")
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "?view=calendar&from=2025-01-01&to=2025-01-05")
	p.wait(days("done") + " === 5")

	// A day that lost its samples fails, and one that was corrected is seen by a dry run.
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-02Z' AND timestamp < '2025-01-03Z'")
	pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1 WHERE timestamp = '2025-01-04 12:00Z'")
	p.drag(p.at(cell("2025-01-02")), p.at(cell("2025-01-04")))
	p.click("button", "Load")
	p.click("dialog label", "Stale")
	p.wait(`document.querySelector("dialog .plan").innerText.startsWith("2 days would be loaded")`)
	p.wait(cell("2025-01-04") + `.dataset.state === "stale"`)
	p.press(kb.Escape)
	p.wait(`!document.querySelector("dialog[open]")`)

	p.do(clickOn(p, cell("2025-01-02")))
	p.click("button", "Load")
	p.click("dialog label", "All")
	p.wait(`document.querySelector("dialog .plan").innerText.includes("1 day will fail")`)
	p.click("dialog button", "Confirm")
	p.wait(onRun)
	p.wait(counts("failed", 1))
	p.click("a", "2025-01-02") // of the log
	p.wait(`document.querySelector("main").innerText.includes("the source has no samples of this day")`)
	p.settle()
	p.open("?view=day&day=2025-01-04")
	p.see("h1", "2025-01-04 stale")
	p.open("?view=calendar&from=2025-01-01&to=2025-01-05")
	p.wait(cell("2025-01-02") + `.dataset.state === "failed"`)
	p.settle()
	for _, one := range []string{"failed 1", "stale 1", "done 3"} {
		p.see(".legend button", one)
	}
}

// Of more days than a screen has, the newest are shown first; the others come without a
// change of what was selected, by the address or meanwhile.
func TestManyDays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.done(t, 1500)
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "?view=calendar&from=2020-11-28&to=2025-01-05&select=2020-12-24")
	p.wait(`document.querySelectorAll("td[data-day]").length === 1500`)
	p.wait(cell("2020-12-24") + `.getAttribute("aria-selected") === "true" && ` + cell("2020-12-24") + `.tabIndex === 0`)
	// Each month has one row, and each of its days stands in its column.
	p.wait(`(() => {
		const rows = [...document.querySelectorAll(".calendar tbody tr")];
		const months = rows.map((row) => row.cells[0].textContent);
		return months.length === 51 && new Set(months).size === 51 && months.every((month, n) => n === 0 || month < months[n - 1]) &&
			[...document.querySelectorAll("td[data-day]")].every((cell) => cell.dataset.day === cell.parentElement.cells[0].textContent + "-" + String(cell.cellIndex).padStart(2, "0"));
	})()`)
	p.focus(cell("2020-12-24"))
	p.press(kb.ArrowRight, chromedp.ModifierShift)
	p.wait(`location.search.includes("select=2020-12-24,2020-12-25")`)
}
