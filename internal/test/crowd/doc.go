// Package crowd holds a test of a server that more clients ask than it can answer at once.
package crowd
