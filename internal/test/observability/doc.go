// Package observability holds the tests of what watches Delfos: a real Prometheus with
// the rules and the dashboard that are shipped, over a real system that is broken on
// purpose. They need Debian's package prometheus: make check-observability.
package observability
