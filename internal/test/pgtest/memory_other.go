//go:build !linux

package pgtest

const memory = ""

func roomy(string) bool { return false }
