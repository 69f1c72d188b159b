//go:build browser

package browser_test

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// call is a command of the protocol as an action.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// point is a place in the window.
type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// element is an expression for what a selector finds that can be seen and begins
// with the text, or is labelled so.
func element(selector, text string) string {
	return `[...document.querySelectorAll(` + quoted(selector) + `)].find((one) => one.checkVisibility() &&
		[one.innerText ?? one.textContent, one.getAttribute("aria-label")].some((said) => said?.trim().replace(/\s+/g, " ").startsWith(` + quoted(text) + `)))`
}

// see waits until an element can be seen.
func (p *page) see(selector, text string) {
	p.t.Helper()
	p.wait(element(selector, text))
}

// at is the middle of an element, which is scrolled to.
func (p *page) at(expression string) point {
	p.t.Helper()
	p.wait(expression)
	return value[point](p, `(() => {
		const one = `+expression+`;
		one.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
		const { x, y, width, height } = one.getBoundingClientRect();
		return { x: x + width / 2, y: y + height / 2 };
	})()`)
}

// clickOn is a click by the mouse on what an expression finds.
func clickOn(p *page, expression string) chromedp.Action[chromedp.Void] {
	p.t.Helper()
	to := p.at(expression)
	return chromedp.MouseClickXY(to.X, to.Y)
}

// click clicks on an element by the mouse.
func (p *page) click(selector, text string) {
	p.t.Helper()
	p.do(clickOn(p, element(selector, text)))
}

// focus puts the focus on what an expression finds.
func (p *page) focus(expression string) {
	p.t.Helper()
	p.wait(expression)
	p.do(chromedp.Evaluate[chromedp.Void]("(" + expression + ").focus()"))
}

// press presses keys, as kb names them, on what has the focus.
func (p *page) press(keys string, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// drag drags by the mouse, in steps as a hand does.
func (p *page) drag(from, to point, modifiers ...chromedp.Modifier) {
	p.t.Helper()
	held := chromedp.ButtonModifiers(modifiers...)
	p.do(chromedp.MouseEvent(chromedp.MousePressed, from.X, from.Y, chromedp.ButtonLeft, chromedp.ClickCount(1), held))
	const steps = 8
	for i := 1.0; i <= steps; i++ {
		p.do(chromedp.MouseEvent(chromedp.MouseMoved, from.X+(to.X-from.X)*i/steps, from.Y+(to.Y-from.Y)*i/steps, chromedp.ButtonLeft, held))
	}
	p.do(chromedp.MouseEvent(chromedp.MouseReleased, to.X, to.Y, chromedp.ButtonLeft, chromedp.ClickCount(1), held))
}

// wheel turns the wheel of the mouse. The protocol wants both ways, and the package leaves out a zero.
func (p *page) wheel(at, by point, modifier chromedp.Modifier) {
	p.t.Helper()
	p.do(call(input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseWheel, X: at.X, Y: at.Y, DeltaX: cmp.Or(by.X, 1e-9), DeltaY: cmp.Or(by.Y, 1e-9), Modifiers: int64(modifier),
	}))
}

// tap taps with a finger on what an expression finds.
func (p *page) tap(expression string) {
	p.t.Helper()
	to := p.at(expression)
	p.do(
		call(input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: to.X, Y: to.Y}}}),
		call(input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}}),
	)
}
