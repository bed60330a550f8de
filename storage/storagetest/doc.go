// Package storagetest checks stores against the contracts of the rooms that use them,
// one Run function for each interface.
//
// A store of your own passes if its test calls that function with a way to open an
// empty store; each check gets a fresh one, says itself what the time is, and is
// bounded, so that a broken store fails and does not hang.
//
// Speed and durability are not checked here: only the store knows what they mean for it.
package storagetest
