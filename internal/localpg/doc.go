// Package localpg runs a PostgreSQL server as a child process, from the
// server programs that are installed or, if there are none, from fetched ones.
//
// The server listens on 127.0.0.1 alone, asks for the configured password,
// and works in UTC and UTF-8. Everything it writes is under Config.Dir:
//
//	data/         the database cluster
//	server.log    what initdb and the server said since the last start
//	lock          held by the process that uses the folder
//	background    there if the server was started by StartDetached
//	init-*/       a cluster in the making; it becomes data/ when complete
//
// A server goes through these states:
//
//	Start ──> serving ──Stop──> gone
//	  │          └─ the process ends by itself ──> gone (Done, Err)
//	  └─ fails or is cancelled ──> gone
//
// A server from Start never outlives its process: on Linux the kernel stops it
// when the process dies, kill -9 included. Elsewhere a server left behind by
// kill -9 is stopped by the next Start on the same folder. A server from
// StartDetached stays until StopDetached.
package localpg
