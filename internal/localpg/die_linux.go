package localpg

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel send sig to the child when this process ends.
func dieWithParent(cmd *exec.Cmd, sig syscall.Signal) { cmd.SysProcAttr.Pdeathsig = sig }
