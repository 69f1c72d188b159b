// Package endtoend tests the way of the data from the source database to the
// target: real databases, the real server on a real port, the real job. It
// holds nothing but tests, so that etl and server need not know each other.
package endtoend
