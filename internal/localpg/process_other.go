//go:build !linux

package localpg

import (
	"os/exec"
	"syscall"
)

// dieWithParent does nothing here: the next Start stops what was left behind.
func dieWithParent(*exec.Cmd, syscall.Signal) {}
