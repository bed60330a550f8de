// Package bench measures what Fedihook costs: its commands stand in the folders below, and what they share
// here. They print ratios to a bare loop in the same run, since machines are noisy.
//
// All of them talk to loopback only.
package bench
