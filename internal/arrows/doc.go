// Package arrows keeps the house in order: its tests read the imports of every package of this module
// and fail on one that points up.
//
// The table is in table_test.go. A new package has to be entered there, with its reason in
// CONTRIBUTING.md, before anything else passes. What the table means is written above it.
//
// It looks at source text alone, whatever the build tags, so it needs neither the network nor code that
// compiles. What examples/queue and examples/signing reach is asked of the go command.
package arrows
