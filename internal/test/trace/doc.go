// Package trace holds the test of the traces that a whole system sends.
package trace
