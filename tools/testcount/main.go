// Command testcount runs `go test -json …`, prints what matters of it, and ends
// with a line that counts: "N passed, N failed".
//
// A test with subtests is counted by them, not itself; a package that fails
// without a failed test (it doesn't build, it leaks, it runs out of time) counts
// as one failure. It exits 1 when anything failed.
package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testcount go test -json [flag…] [package…]")
		os.Exit(2)
	}
	os.Exit(run(os.Args[1], os.Args[2:]))
}

func run(name string, args []string) int {
	//nolint:noctx // Ctrl-C reaches the whole process group.
	test := exec.Command(name, args...)
	test.Stderr = os.Stderr
	events, err := test.StdoutPipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
		return 1
	}
	if err := test.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
		return 1
	}
	c := newCount(os.Stdout)
	readErr := c.read(events)
	waitErr := test.Wait()
	passed, failed := c.total()
	if readErr != nil {
		fmt.Fprintln(os.Stderr, "testcount:", readErr)
	}
	if waitErr != nil && failed == 0 {
		fmt.Fprintln(os.Stderr, "testcount: go test:", waitErr)
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if readErr != nil || waitErr != nil || failed > 0 {
		return 1
	}
	return 0
}
