//go:build !linux

package localpg

import (
	"os/exec"
	"syscall"
)

// dieWithParent does nothing here: StopDetached stops what was left behind.
func dieWithParent(*exec.Cmd, syscall.Signal) {}
