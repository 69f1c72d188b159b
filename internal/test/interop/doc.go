// Package interop shows that programs which are not ours read what the source
// API sends: psql its CSV, and with the build tag node the npm packages that
// tools/readers pins its Arrow and Parquet:
//
//	make check-formats
//
// It also kills a server in the middle of each format, and shows that the
// client sees it, and that the heap of one that exports a year stays flat.
package interop
