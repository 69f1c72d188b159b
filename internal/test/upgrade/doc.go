// Package upgrade brings databases of release 0.1.0 to today's schemas while they are
// read, by the lines of docs/versions.md, and works on with them. It holds nothing but
// tests; testdata/README.md says what the databases hold.
package upgrade
