//go:build browser

package browser_test

import "testing"

// A page whose server goes away says so, and is live again when the server is back.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.orchestrate(t)
	p := open(t, newBrowser(t), s.url, "")
	p.wait(connectionIs("live"))
	p.expect("/events")
	s.orchestrator.stop()
	p.wait(connectionIs("reconnecting"))
	s.orchestrate(t)
	p.wait(connectionIs("live"))
}

func connectionIs(status string) string {
	return `document.querySelector(".connection").innerText.includes("` + status + `")`
}
