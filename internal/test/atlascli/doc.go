// Package atlascli shows that Atlas's own command line, with atlas.hcl, and
// schema.Apply make the same databases. It needs the build tag atlas, since
// building that command takes minutes:
//
//	go test -tags atlas ./internal/test/atlascli
//
// DELFOS_ATLAS names a binary to use in place of the one that tools/atlas
// pins, the vendor's current one for example.
package atlascli
