//go:build browser

package browser_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// mostShift is what a page may move by itself, as the browser weighs it; 0.1 is what
// the web calls good.
const mostShift = 0.02

// patience is longer than anything takes to be seen on a slow machine: it only ends a
// test that has failed.
const patience = time.Minute

// A page is a tab of Chromium. The test fails at its end if in between there was
// an error or a warning on its console, an uncaught exception, a violation of the
// page's policy, a request to another host, a request that failed unexpectedly, or
// if the page moved by itself.
type page struct {
	t    *testing.T
	ctx  context.Context
	base *url.URL // of the console

	mu       sync.Mutex
	faults   []string
	loader   cdp.LoaderID                 // of the document
	pending  map[network.RequestID]string // its requests that have no answer yet
	answered map[network.RequestID]time.Time
	expected []string // parts of addresses that may fail
	shift    float64
	shifted  string // what moved last
}

// newBrowser starts a Chromium of the test's own.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no chromium in PATH: install it (Debian: apt-get install chromium)")
	}
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en"),
	})
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(end)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// open opens an address of the console, as `?view=runs`, in a tab of the browser.
func open(t *testing.T, browser context.Context, console, address string) *page {
	t.Helper()
	p := newPage(t, browser, console)
	t.Cleanup(p.judge)
	p.open(address)
	return p
}

func newPage(t *testing.T, browser context.Context, console string, options ...chromedp.ContextOption) *page {
	t.Helper()
	base, err := url.Parse(console + "/")
	must(t, err)
	p := &page{t: t, base: base, pending: map[network.RequestID]string{}, answered: map[network.RequestID]time.Time{}}
	ctx, stop := chromedp.NewContext(browser, append(options, chromedp.WithListener(p.hear))...)
	p.ctx = ctx
	t.Cleanup(stop)
	p.do(
		call(runtime.AddBinding, runtime.AddBindingParams{Name: "tellTest"}),
		call(devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: watch}),
	)
	return p
}

// watch is run in each document before its own scripts.
const watch = `
addEventListener("securitypolicyviolation", (event) =>
	tellTest(JSON.stringify({ text: "policy: " + event.violatedDirective + " forbids " + event.blockedURI + " " + event.sample })));
new PerformanceObserver((list) => {
	for (const entry of list.getEntries()) {
		if (entry.hadRecentInput) continue;
		const name = (node) => node?.nodeType === 1 ? node.outerHTML.slice(0, 120) : node?.textContent;
		const text = entry.sources.map((source) => name(source.node) + " " + JSON.stringify(source.previousRect) + " " + JSON.stringify(source.currentRect)).join("; ");
		tellTest(JSON.stringify({ shift: entry.value, text: "moved at " + Math.round(entry.startTime) + " ms: " + text }));
	}
}).observe({ type: "layout-shift", buffered: true });`

// hear takes the events of the tab.
func (p *page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	failed := func(address, why string) {
		if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(address, part) }) {
			fault("%s: %s", address, why)
		}
	}
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var said []string
			for _, arg := range e.Args {
				said = append(said, cmp.Or(arg.Description, string(arg.Value)))
			}
			fault("console.%s: %s", e.Type, strings.Join(said, " "))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		fault("exception: %s", text)
	case *log.EventEntryAdded:
		// The network's own are told below, with their addresses.
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && e.Entry.Source != log.EntrySourceNetwork {
			failed(fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text), e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		to, err := url.Parse(e.Request.URL)
		if err != nil || to.Host != p.base.Host && to.Scheme != "data" && to.Scheme != "blob" && to.Scheme != "about" {
			fault("request to another host: %s", e.Request.URL)
		}
		if e.Type == network.ResourceTypeDocument {
			// What the document before has asked for, or yet asks for, is not told any more.
			clear(p.pending)
			p.loader = e.LoaderID
			p.shift = 0
		}
		if e.LoaderID == p.loader && !strings.Contains(e.Request.URL, "/console/worker-") { // whose end is the worker's to know
			p.pending[e.RequestID] = e.Request.Method + " " + e.Request.URL
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			failed(e.Response.URL, fmt.Sprint(e.Response.Status))
		}
		if e.Response.MimeType == "text/event-stream" {
			delete(p.pending, e.RequestID) // it does not end
		}
		p.answered[e.RequestID] = time.Now()
	case *network.EventLoadingFinished:
		delete(p.pending, e.RequestID)
	case *network.EventLoadingFailed:
		if address, ok := p.pending[e.RequestID]; ok && !e.Canceled {
			failed(address, e.ErrorText)
		}
		delete(p.pending, e.RequestID)
	case *runtime.EventBindingCalled:
		var told struct {
			Shift float64 `json:"shift"`
			Text  string  `json:"text"`
		}
		if err := json.Unmarshal([]byte(e.Payload), &told); err != nil {
			fault("%s: %v", e.Payload, err)
		}
		if told.Shift == 0 {
			fault("%s", told.Text)
			return
		}
		p.shift += told.Shift
		p.shifted = told.Text
		if p.shift > mostShift {
			fault("the page moves by itself, %.4f in all: %.4f, %s", p.shift, told.Shift, told.Text)
		}
	}
}

// expect lets requests fail whose address has the part.
func (p *page) expect(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, part)
}

// judge ends the test of a page.
func (p *page) judge() {
	if p.t.Failed() {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("location.href + '\\n' + (document.querySelector('main') ?? document.body).innerText"))
		p.t.Logf("the page at the end: %s", text)
		if picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot()); err == nil {
			_ = os.WriteFile(filepath.Join(p.t.ArtifactDir(), "failed.png"), picture, 0o600)
		}
	}
	for _, fault := range p.found() {
		p.t.Error(fault)
	}
}

// moved is how far the page has moved by itself.
func (p *page) moved() float64 {
	p.frames()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shift
}

// found is what has gone wrong in the page.
func (p *page) found() []string {
	p.frames()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// open shows an address of the console in the tab, and waits until all is there.
func (p *page) open(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.base.String() + address))
	p.settle()
}

// settle waits until the view is drawn and no request is under way.
func (p *page) settle() {
	p.t.Helper()
	p.await("the view is drawn, and no request is under way", func() bool {
		return p.idle() && p.holds(`document.querySelector("main[aria-busy=false]") && !document.querySelector("[aria-busy=true], .loading")`) && p.idle()
	})
	p.frames()
}

func (p *page) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.pending {
		// The end of an answer that a view has left half read is not told.
		if at, ok := p.answered[id]; !ok || time.Since(at) < 2*time.Second {
			return false
		}
	}
	return true
}

// frames lets the page draw, so that what follows from a change has been told.
func (p *page) frames() {
	_, _ = chromedp.Run(p.ctx, chromedp.Evaluate[bool](`new Promise((done) => {
		const next = document.hidden ? setTimeout : requestAnimationFrame; // nobody draws what is hidden
		next(() => next(() => setTimeout(() => done(true))));
	})`, chromedp.EvalAwaitPromise))
}

// await waits until something holds.
func (p *page) await(what string, holds func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("waited %s until %s; requests under way: %v", patience, what, p.pending)
		}
	}
}

// wait waits until an expression of JavaScript is true in the page.
func (p *page) wait(expression string) {
	p.t.Helper()
	p.await(expression, func() bool { return p.holds(expression) })
}

// holds reports whether an expression is true; one that throws is not.
func (p *page) holds(expression string) bool {
	p.t.Helper()
	return value[bool](p, "(() => { try { return Boolean("+expression+") } catch { return false } })()")
}

// value is what an expression has.
func value[T any](p *page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	must(p.t, chromedp.Do(p.ctx, steps...))
}

// theme has the page seen by somebody who likes it light or dark.
func (p *page) theme(name string) {
	p.t.Helper()
	p.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}
