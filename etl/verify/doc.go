// Package verify compares what the target holds with what it should hold, value
// by value, by a way of its own: it shares no code with the ETL.
//
//	source API ── CSV, a turbine's day ──▶ windows in exact arithmetic ─┐
//	                                                                    ├▶ findings
//	target ────── values in the key's order ────────────────────────────┘
//
// Readings come as text/csv and count only when the trailers of the answer agree
// with it. Mean and deviation are computed in whole numbers of any length and
// rounded once, so that the worst relative difference says how far the target is
// from the truth. Minimum, maximum and count have to be equal; mean and
// deviation to 1e-12.
//
// A day that differs is not always wrong: its source may have changed since it
// was loaded, which makes it stale, or it was never loaded. Both are told apart
// from values that are wrong by the ledger and the source's digest.
//
// The target is read in one snapshot a day. In memory are a turbine's day for
// each day in work, and the findings up to a bound.
package verify
