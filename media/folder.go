package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	unfinished   = ".unfinished-" // what files that are being written begin with
	abandonAfter = time.Hour      // whoever wrote it is gone
	hexDigits    = "0123456789abcdef"
)

// folder keeps files in a directory: one directory for each site, and in it the files, each written under another name
// first. A file's time of modification says when it was used. Nothing is touched whose name is not of our making.
type folder struct{ dir string }

func newFolder(dir string) *folder { return &folder{dir} }

func (f *folder) path(k key) string { return filepath.Join(f.dir, k.site, k.name) }

func (f *folder) open(k key) (blob, info, error) {
	file, err := os.Open(f.path(k))
	if err != nil {
		return nil, info{}, fmt.Errorf("media: %w", err)
	}
	about, err := file.Stat()
	if err == nil && !about.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		file.Close()
		return nil, info{}, fmt.Errorf("media: %s: %w", f.path(k), err)
	}
	return file, info{k, about.Size(), about.ModTime()}, nil
}

func (f *folder) write(k key, data []byte, now time.Time) (err error) {
	dir := filepath.Join(f.dir, k.site)
	for try := 0; ; try++ {
		err = f.writeIn(dir, k.name, data, now)
		if !errors.Is(err, fs.ErrNotExist) || try == 3 {
			return err
		}
		// The directory is missing, or another process removes it while it is empty.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("media: %w", err)
		}
	}
}

func (f *folder) writeIn(dir, name string, data []byte, now time.Time) (err error) {
	file, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
			err = fmt.Errorf("media: write a copy: %w", err)
		}
	}()
	if _, err := file.Write(data); err != nil {
		return err
	}
	// Before the name: after a power cut a file that has its name must have its bytes too.
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chtimes(file.Name(), now, now); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, name))
}

func (f *folder) touch(k key, now time.Time) {
	_ = os.Chtimes(f.path(k), now, now) // at worst it goes earlier than it should
}

func (f *folder) remove(k key) error {
	if err := os.Remove(f.path(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("media: %w", err)
	}
	_ = os.Remove(filepath.Join(f.dir, k.site)) // fails unless it is empty, which is as it should be
	return nil
}

func (f *folder) list(site string) iter.Seq2[info, error] {
	return func(yield func(info, error) bool) {
		if site != "" {
			f.listSite(site, yield)
			return
		}
		for entry, err := range entries(f.dir) {
			if err != nil {
				yield(info{}, err)
				return
			}
			if entry.IsDir() && isSite(entry.Name()) && !f.listSite(entry.Name(), yield) {
				return
			}
		}
	}
}

func (f *folder) listSite(site string, yield func(info, error) bool) (more bool) {
	dir := filepath.Join(f.dir, site)
	for entry, err := range entries(dir) {
		if err != nil {
			yield(info{}, err)
			return false
		}
		name := entry.Name()
		if !isName(name) && !strings.HasPrefix(name, unfinished) {
			continue
		}
		about, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			yield(info{}, fmt.Errorf("media: %w", err))
			return false
		}
		switch {
		case !about.Mode().IsRegular():
		case isName(name):
			if !yield(info{key{site, name}, about.Size(), about.ModTime()}, nil) {
				return false
			}
		case time.Since(about.ModTime()) > abandonAfter:
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	return true
}

// entries reads a directory in parts. One that is not there is empty.
func entries(dir string) iter.Seq2[fs.DirEntry, error] {
	return func(yield func(fs.DirEntry, error) bool) {
		d, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		for err == nil {
			var some []fs.DirEntry
			some, err = d.ReadDir(1024)
			for _, entry := range some {
				if !yield(entry, nil) {
					d.Close()
					return
				}
			}
		}
		d.Close()
		if err != io.EOF && !errors.Is(err, fs.ErrNotExist) {
			yield(nil, fmt.Errorf("media: %w", err))
		}
	}
}

func (f *folder) check() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("media: Config.Dir: %w", err)
	}
	file, err := os.CreateTemp(f.dir, unfinished)
	if err != nil {
		return fmt.Errorf("media: Config.Dir: %w", err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// isSite and isName tell whether a directory and a file have names that key has.
func isSite(name string) bool { return len(name) == 24 && strings.Trim(name, hexDigits) == "" }

func isName(name string) bool {
	return len(name) == 32+1+8 && name[32] == '-' && strings.Trim(name[:32]+name[33:], hexDigits) == ""
}
