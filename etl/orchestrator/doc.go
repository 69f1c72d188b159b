// Package orchestrator works through partitions: it queues the days that are
// asked for, runs each as one job on River, follows the schedule and late data,
// and retries what fails.
//
// The ledger in the target is the truth. An open request (a row of run_partition
// without an outcome) asks for a day; River's job follows from it and can always
// be made anew. A job nobody asks for any more does nothing. The load's
// transaction writes the values, closes the requests, completes the job and
// releases the claim together, and its last statement names the claim's fencing
// token: a worker that was taken for dead can't write.
//
// A day's state is derived, never stored:
//
//	              asked for                 claimed
//	┌─────────┐ ───────────▶ ┌────────┐ ───────────▶ ┌─────────┐
//	│ missing │              │ queued │              │ running │
//	└─────────┘ ◀─ ─ ─ ─ ─ ─ └────────┘ ◀─────────── └─────────┘
//	 (never loaded)  ▲  │ called off    its worker died   │
//	                 │  ▼              or was stopped     │
//	asked for  ┌───────────┐                              │
//	again ┌────│ cancelled │◀──── called off ─────────────┤
//	      │    └───────────┘  (never loaded before)       │
//	      │    ┌───────────┐                              │
//	      ├────│  failed   │◀──── an error ───────────────┤
//	      │    └───────────┘  (next_attempt_at: by itself,│
//	      │                    by job or by schedule)     │
//	      │    ┌───────────┐                              │
//	      ├────│   empty   │◀──── no samples ─────────────┤
//	      │    └───────────┘                              │
//	      │    ┌───────────┐                              │
//	      ├────│   done    │◀──── committed ──────────────┘
//	      │    └───────────┘
//	      │          │ the source's digest changed (done and empty)
//	      │          ▼
//	      │    ┌───────────┐
//	      └────│   stale   │
//	           └───────────┘
//
// The running day, not over yet, is asked for by one run again and again (sweep.go), and
// has a worker of its own. What was loaded before its day ended is loaded again when due.
//
// Query ReadGrid (queries/target/grid.sql) derives all of them at once.
package orchestrator
