// Package browser has tests alone. They open the console in Chromium against the
// program as it is built: both databases, the source API, the orchestrator, and loaded
// days. Whatever goes wrong in a page fails its test (see page). `make check-console`
// runs them; they need Debian's chromium, and axe-core of tools/console.
package browser
