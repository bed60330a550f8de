// Package kill is what benches share that kill servers of their own with SIGKILL: such a server is this program once more, a
// [Process], which lets itself be killed at a [Point] by its [Killer]; a [Ledger] witnesses what comes of it.
package kill
