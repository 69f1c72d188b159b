// Package example runs what stands in examples/ against a whole Delfos: a month of two
// turbines, loaded, with both servers. Each example needs a program that not every
// machine has: make check-spec and make check-examples say which.
package example
