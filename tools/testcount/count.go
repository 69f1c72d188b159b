package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string  `json:"Action"`
	Package string  `json:"Package"`
	Test    string  `json:"Test"`
	Output  string  `json:"Output"`
	Elapsed float64 `json:"Elapsed"` // Seconds.
}

type key struct{ pkg, test string }

// count follows the events of one run.
type count struct {
	out    io.Writer
	output map[key][]string // Not yet printed: a passed test's is never.
	parent map[key]bool     // Tests that have subtests.
	failed map[key]bool     // Tests below which, or in which, something failed and was counted.
	passes int
	fails  int
	skips  int
}

func newCount(out io.Writer) *count {
	return &count{out: out, output: map[key][]string{}, parent: map[key]bool{}, failed: map[key]bool{}}
}

// read takes events until they end; a line that is no event is printed.
func (c *count) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(c.out, lines.Text())
			continue
		}
		c.take(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what go test prints: %w", err)
	}
	return nil
}

func (c *count) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "run":
		for p, ok := above(k); ok; p, ok = above(p) {
			c.parent[p] = true
		}
	case "output":
		c.output[k] = append(c.output[k], e.Output)
	case "build-output":
		fmt.Fprint(c.out, e.Output)
	case "skip":
		if e.Test != "" {
			c.skips++
			c.print(k)
		}
		delete(c.output, k)
	case "pass":
		if e.Test == "" {
			fmt.Fprintf(c.out, "ok   %s  %.1fs\n", e.Package, e.Elapsed)
		} else if !c.parent[k] {
			c.passes++
		}
		delete(c.output, k)
	case "fail":
		c.fail(k)
	}
}

// fail counts a failure once: a test's or a package's own fails when one below
// it does, and subtests report before what they belong to.
func (c *count) fail(k key) {
	c.print(k)
	if !c.failed[k] {
		c.fails++
	}
	for p, ok := above(k); ok; p, ok = above(p) {
		c.failed[p] = true
	}
	if k.test == "" {
		fmt.Fprintf(c.out, "FAIL %s\n", k.pkg)
		// Tests that never ended, since the package's process did, said why.
		for open := range c.output {
			if open.pkg == k.pkg {
				c.print(open)
			}
		}
	}
}

// print shows what a test printed, and forgets it.
func (c *count) print(k key) {
	for _, text := range c.output[k] {
		if !strings.HasPrefix(text, "=== ") {
			fmt.Fprint(c.out, text)
		}
	}
	delete(c.output, k)
}

// above is the test or, in the end, the package that k belongs to.
func above(k key) (key, bool) {
	if k.test == "" {
		return key{}, false
	}
	if i := strings.LastIndexByte(k.test, '/'); i >= 0 {
		return key{k.pkg, k.test[:i]}, true
	}
	return key{k.pkg, ""}, true
}

// total gives the counts, and prints how many were skipped if any were.
func (c *count) total() (passed, failed int) {
	if c.skips > 0 {
		fmt.Fprintf(c.out, "%d skipped\n", c.skips)
	}
	return c.passes, c.fails
}
