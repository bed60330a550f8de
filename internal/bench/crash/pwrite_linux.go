//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// pwrite is what SQLite's VFS for Unix writes a page with. SQLite lets its own tests replace the system calls
// that it makes (xSetSystemCall of sqlite3_vfs), and that is how a server is killed between two pages of a commit.
type pwrite func(tls *libc.TLS, fd int32, buf uintptr, n lib.Tsize_t, offset lib.Toff_t) lib.Tssize_t

// replaced keeps the function, which SQLite points to, from being collected.
var replaced pwrite

// beforeWrites has wrote called, with the path of the file, before each write of SQLite's. It is called once, before
// any file is open.
func beforeWrites(wrote func(path string)) error {
	tls := libc.NewTLS()
	defer tls.Close()
	at := lib.Xsqlite3_vfs_find(tls, 0)
	if at == 0 {
		return errors.New("SQLite has no VFS")
	}
	vfs := *(**lib.Tsqlite3_vfs)(unsafe.Pointer(&at))
	get := *(*func(tls *libc.TLS, vfs, name uintptr) uintptr)(unsafe.Pointer(&vfs.FxGetSystemCall))
	set := *(*func(tls *libc.TLS, vfs, name, fn uintptr) int32)(unsafe.Pointer(&vfs.FxSetSystemCall))
	name, err := libc.CString("pwrite")
	if err != nil {
		return err
	}
	defer libc.Xfree(tls, name)
	old := get(tls, at, name)
	if old == 0 {
		return errors.New("SQLite's VFS does not write by pwrite")
	}
	original := *(*pwrite)(unsafe.Pointer(&old))
	replaced = func(tls *libc.TLS, fd int32, buf uintptr, n lib.Tsize_t, offset lib.Toff_t) lib.Tssize_t {
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			wrote(path)
		}
		return original(tls, fd, buf, n, offset)
	}
	if rc := set(tls, at, name, *(*uintptr)(unsafe.Pointer(&replaced))); rc != lib.SQLITE_OK {
		return fmt.Errorf("SQLite keeps its pwrite: %d", rc)
	}
	return nil
}
