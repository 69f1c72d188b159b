// Package etl is the job: it pulls a day of one-minute samples through the
// source API's typed client, computes the statistics of every 10-minute window
// (etl/window) and loads them into the target, one transaction a day.
//
//	extract.go  samples by groups of turbines (etl/source), as windows
//	ledger.go   who may write a day: claim, lease, fencing token
//	settle.go   how an attempt ends: committed, failed, or in doubt
//	doubt.go    what the data checks (etl/check) make of the day; they may forbid its load
//	digest.go   whether a day has changed at all; stale.go, which of many have
//	stream.go   what has arrived is loaded while more is read
//	load.go     windows against what the target holds; COPY or the difference
//	partition.go one day, from claim to commit
//	run.go      a range of days
//
// After a partition has succeeded, the target holds exactly the windows of what
// the source held; one that failed or was killed leaves its day as it was. The
// source is reached through its API alone.
package etl
