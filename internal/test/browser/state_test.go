//go:build browser

package browser_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// What is said where there is nothing, what asks and what fails passes axe-core too, and
// does what it says.
func TestStates(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "")
	p.expect("/runs/1")
	for name, address := range views() {
		p.open(address)
		if name != "day" {
			p.wait(`document.querySelector(".empty")`)
		}
		p.check("nothing loaded, " + name)
	}

	s.seed(t, 3, 1)
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 7 WHERE timestamp >= '2025-01-01 06:00Z' AND timestamp < '2025-01-01 18:00Z'")
	s.run(t, "etl", "2025-01-01", "--to", "2025-01-03")
	for _, view := range []string{"data", "power-curve", "energy", "distribution"} {
		p.open("?view=" + view + "&start=2030-01-01&end=2030-01-02")
		p.wait(`document.querySelector(".empty")`)
		p.check("nothing in the range, " + view)
	}
	p.leftOut()
	p.loadByPage(s)
	p.forgetByPage()

	// A view whose script is not there yet, while the server is away.
	p.open("?view=calendar")
	p.expect(s.url)
	s.orchestrator.stop()
	p.wait(connectionIs("reconnecting"))
	p.click("nav a", "Energy")
	p.see(".failure", "The server does not answer")
	p.check("the server away")
}

// Windows that are left out of the power curve are listed with the check that doubts
// them, and lead to the data about them.
func (p *page) leftOut() {
	p.t.Helper()
	const curve = "?view=power-curve&start=2025-01-01&end=2025-01-04&flagged=true"
	p.open(curve)
	p.wait(`document.querySelector(".names").innerText.includes("left out: 72 flagged (") && document.querySelector(".names").innerText.includes("frozen 72")`)
	p.see(`section[aria-label="Left out"] h2`, "Left out, by reason")
	p.check("the power curve with windows that are left out")
	cell := value[string](p, `fetch("stats/power-density?start=2025-01-01&before=2025-01-04&leave_out=flagged").then((one) => one.json())
		.then((one) => { const { wind_speed: x, power: y } = one.left_out_cells[0]; return [x, x + one.wind_speed_size, y, y + one.power_size].join(); })`)
	p.open(curve + "&cell=" + cell)
	p.wait(`document.querySelector('section[aria-label="Windows of a place"] tbody').innerText.includes("frozen: ")`)
	p.click(`section[aria-label="Left out"] a`, "2025-01-01 06:00")
	p.wait(`location.search.includes("view=data") && location.search.includes("start=2025-01-01T05:00:00Z")`)
	p.settle()
}

// A run that is to stop at the first day that fails does so, and its lines to copy do what
// the page does.
func (p *page) loadByPage(s *system) {
	p.t.Helper()
	pgtest.Exec(p.t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-02Z' AND timestamp < '2025-01-03Z'")
	p.open("?view=calendar&from=2025-01-01&to=2025-01-03&select=2025-01-01,2025-01-03")
	p.click("button", "Load")
	p.click("dialog label", "All")
	p.see("dialog .plan", "3 days would be loaded.") // what it says may move what is below
	p.click("dialog label", "Stop at the first day that fails")
	p.focus(`document.querySelector('dialog input[type="number"]')`)
	p.press("1")
	p.click("dialog summary", "Do it elsewhere")
	p.check("the dialog that loads")
	var lines []string
	for _, program := range []string{"curl", "delfos"} {
		p.click("dialog button", "Copy "+program)
		p.see("dialog button", "Copied")
		p.wait(`![...document.querySelectorAll("dialog button")].some((one) => one.innerText === "Copied")`)
		p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("dialog").append(Object.assign(document.createElement("textarea"), { id: "pasted" }))`))
		p.focus(`document.querySelector("#pasted")`)
		p.do(call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Commands: []string{"paste"}}))
		p.wait(`document.querySelector("#pasted").value !== ""`)
		lines = append(lines, value[string](p, `document.querySelector("#pasted").value`))
		p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#pasted").remove()`))
	}
	p.click("dialog button", "Confirm")
	p.wait(onRun)
	p.wait(counts("failed", 1) + ` && [...document.querySelectorAll(".progress .badge")].some((one) => one.innerText.includes("cancelled"))`)
	p.see("main p", "2025-01-01 to 2025-01-03")
	p.wait(`document.querySelector("main").innerText.includes("The first day that fails ends it.")`)
	p.settle()
	p.check("a run that has failed")

	// By the lines: two more runs, one after the other, which end as this one did. Each comes
	// above those that are listed, which moves the page, so each has a page of its own.
	bin, err := filepath.Abs(filepath.Dir(program))
	must(p.t, err)
	for n, line := range lines {
		p.open("?view=runs")
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = s.dir, slices.Concat(s.env, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TARGET_API_URL=" + s.url})
		out, err := cmd.CombinedOutput()
		if err != nil {
			p.t.Fatalf("%s: %v\n%s", line, err, out)
		}
		p.wait(fmt.Sprintf(`[...document.querySelectorAll(".runs tbody tr")].filter((one) => one.innerText.includes("failed 1") && one.innerText.includes("cancelled")).length === %d`, n+2))
	}
	p.check("runs that have failed")
}

// A day is forgotten by the page; one that a run would load again only if that is wanted.
func (p *page) forgetByPage() {
	p.t.Helper()
	p.open("?view=day&day=2025-01-01")
	p.click("button", "Forget …")
	p.see("dialog h2", "Forget 2025-01-01")
	p.check("the dialog that forgets")
	p.expect("/partitions/2025-01-01")
	p.click("dialog button", "Forget the day")
	p.wait(`/Request \w+/.test(document.querySelector("dialog .failure").innerText)`)
	p.check("the dialog that does not forget")
	p.press(kb.Escape)
	p.wait(`!document.querySelector("dialog")`)
	p.open("?view=day&day=2025-01-02")
	p.click("button", "Forget …")
	p.click("dialog button", "Forget the day")
	p.wait(`location.search.includes("view=calendar") && location.search.includes("select=2025-01-02")`)
	p.wait(cell("2025-01-02") + `.dataset.state === "missing"`)
}
