// Package check looks at the samples of a day and says what is to be doubted. It
// is arithmetic alone: samples and windows in, results and flags out. It changes
// no value and drops none.
//
// A Reader follows one turbine after another, sample by sample, beside
// window.Aggregator; a Day takes what came of each turbine and judges all of them
// together. A check is made for each variable that it has a rule for
// (internal/checkrule has the defaults, the target's check_rule what somebody
// made of them): `off` leaves it out, `warn` records what it found, `block` fails
// the day's attempt for good.
//
// A day is judged by itself: what is flat over midnight is two flat runs.
package check
