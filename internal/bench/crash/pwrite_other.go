//go:build !(linux && (amd64 || arm64))

package main

import "errors"

// beforeWrites needs SQLite's VFS for Unix and /proc.
func beforeWrites(func(path string)) error {
	return errors.New("a server can be killed inside a commit on Linux only, on amd64 or arm64")
}
