package media

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	block      = 4096 // bytes: what the least file takes
	touchAfter = 10 * time.Minute
	sumSize    = 24
)

// errNoRoom is a picture larger than what its host may have in all.
var errNoRoom = errors.New("media: no room")

// files keep bytes under a key. Many goroutines and, on a disk, processes use them at once.
type files interface {
	// open returns a file, or fs.ErrNotExist.
	open(k key) (blob, info, error)

	// write keeps a file, whole or not at all, in place of one that may be there.
	write(k key, data []byte, now time.Time) error

	// touch says that a file was used.
	touch(k key, now time.Time)

	// remove forgets a file, which may not be there.
	remove(k key) error

	// list yields the files of a site, or of all for "", in no order. A site's that vanishes meanwhile is no error.
	list(site string) iter.Seq2[info, error]

	// check tells whether write would work.
	check() error
}

type blob interface {
	io.ReaderAt
	io.Closer
}

// info is what is known of a file without reading it.
type info struct {
	key  key
	size int64
	used time.Time
}

// charge is what a file counts.
func charge(size int64) int64 { return (size + block - 1) / block * block }

// store keeps pictures within bounds: all together max, those of a site perSite. It holds no list of them, only how much
// each site has; the rest is read from the files when something has to go.
type store struct {
	files   files
	max     int64
	perSite int64

	purges atomic.Int64 // so that a fetch that began before a purge is not kept

	mu      sync.Mutex
	counted bool
	total   int64
	sites   map[string]int64
	since   int64 // written since the last count
}

// A file begins with what is known of its picture: magic, format, time of the fetch, length, digest.
const (
	magic      = "fedihook media1\n"
	headerSize = len(magic) + 8 + 8 + 8 + sumSize
)

func header(p picture, now time.Time) []byte {
	h := append(make([]byte, 0, headerSize+len(p.data)), magic...)
	h = append(h, fmt.Sprintf("%-8s", p.format)...)
	h = binary.BigEndian.AppendUint64(h, uint64(now.Unix()))
	h = binary.BigEndian.AppendUint64(h, uint64(len(p.data)))
	return append(h, p.sum[:]...)
}

// held is a picture that is open for reading.
type held struct {
	blob
	format  format
	sum     [sumSize]byte
	fetched time.Time
	size    int64
	offset  int64
}

func (h *held) ReadAt(b []byte, at int64) (int, error) { return h.blob.ReadAt(b, h.offset+at) }

func (h *held) reader() io.ReadSeeker { return io.NewSectionReader(h, 0, h.size) }

func (h *held) etag() string { return `"` + base64.RawURLEncoding.EncodeToString(h.sum[:]) + `"` }

// open returns a picture and remembers that it was used, or fs.ErrNotExist. What is no picture of ours is removed.
func (s *store) open(k key, now time.Time) (*held, error) {
	b, about, err := s.files.open(k)
	if err != nil {
		return nil, err
	}
	var h [headerSize]byte
	_, err = b.ReadAt(h[:], 0)
	rest := h[len(magic):]
	kept := &held{
		blob: b, format: formatJPEG, offset: int64(headerSize),
		fetched: time.Unix(int64(binary.BigEndian.Uint64(rest[8:])), 0), size: int64(binary.BigEndian.Uint64(rest[16:])),
	}
	copy(kept.sum[:], rest[24:])
	switch string(rest[:8]) {
	case "jpg     ":
	case "png     ":
		kept.format = formatPNG
	default:
		err = errors.Join(err, fs.ErrInvalid)
	}
	if err != nil || string(h[:len(magic)]) != magic || kept.size != about.size-int64(headerSize) {
		b.Close()
		return nil, errors.Join(fs.ErrNotExist, s.remove(k.site, k.name))
	}
	if now.Sub(about.used) > touchAfter {
		s.files.touch(k, now)
	}
	return kept, nil
}

// put keeps a picture, and removes first what was used least recently if there is no room for it. It keeps nothing if there was a
// purge since purges was read.
func (s *store) put(k key, p picture, now time.Time, purges int64) error {
	data := append(header(p, now), p.data...)
	size := charge(int64(len(data)))
	if size > s.max || size > s.perSite {
		return errNoRoom
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.purges.Load() != purges {
		return nil
	}
	old := int64(0)
	if b, about, err := s.files.open(k); err == nil {
		b.Close()
		old = charge(about.size)
	}
	if !s.counted || s.since > s.max/10 {
		if _, err := s.count(); err != nil {
			return err
		}
	}
	if s.sites[k.site]-old+size > s.perSite {
		if err := s.trim(k.site, s.perSite-s.perSite/8-size); err != nil {
			return err
		}
	}
	if s.total-old+size > s.max {
		if err := s.sweep(s.max - s.max/8 - size); err != nil {
			return err
		}
	}
	old = 0 // it may have been among them
	if b, about, err := s.files.open(k); err == nil {
		b.Close()
		old = charge(about.size)
	}
	if err := s.files.write(k, data, now); err != nil {
		return err
	}
	s.add(k.site, size-old)
	s.since += size
	return nil
}

// count reads what there is, which another process may have changed, and returns how much was last used in which minute:
// that takes less room than a list of the files.
func (s *store) count() (map[int64]int64, error) {
	s.total, s.since, s.sites = 0, 0, map[string]int64{}
	used := map[int64]int64{}
	for f, err := range s.files.list("") {
		if err != nil {
			s.counted = false
			return nil, err
		}
		s.add(f.key.site, charge(f.size))
		used[minute(f.used)] += charge(f.size)
	}
	s.counted = true
	return used, nil
}

func minute(t time.Time) int64 { return t.Unix() / 60 }

// sweep removes what was used least recently, by the minute, until no more than keep bytes are left.
func (s *store) sweep(keep int64) error {
	used, err := s.count()
	if err != nil {
		return err
	}
	last, excess := int64(0), s.total-max(keep, 0)
	for _, m := range slices.Sorted(maps.Keys(used)) {
		if excess <= 0 {
			break
		}
		last, excess = m, excess-used[m]
	}
	for _, before := range []int64{last, last + 1} { // of the last minute only as many as need be
		for f, err := range s.files.list("") {
			if err != nil {
				return err
			}
			if s.total <= max(keep, 0) {
				return nil
			}
			if minute(f.used) < before {
				if err := s.drop(f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// trim removes what was used least recently of a site, until no more than keep bytes are left.
func (s *store) trim(site string, keep int64) error {
	var all []info
	have := int64(0)
	for f, err := range s.files.list(site) {
		if err != nil {
			return err
		}
		all = append(all, f)
		have += charge(f.size)
	}
	s.add(site, have-s.sites[site])
	slices.SortFunc(all, func(a, b info) int { return a.used.Compare(b.used) })
	for _, f := range all {
		if s.sites[site] <= keep {
			return nil
		}
		if err := s.drop(f); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) drop(f info) error {
	if err := s.files.remove(f.key); err != nil {
		return err
	}
	s.add(f.key.site, -charge(f.size))
	return nil
}

func (s *store) add(site string, n int64) {
	if s.sites == nil {
		return // nothing is counted yet
	}
	s.total += n
	if s.sites[site] += n; s.sites[site] <= 0 {
		delete(s.sites, site)
	}
}

// remove forgets the pictures of a site whose names begin with prefix.
func (s *store) remove(site, prefix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, err := range s.files.list(site) {
		if err != nil {
			return err
		}
		if f.key.name[:min(len(prefix), len(f.key.name))] == prefix {
			if err := s.drop(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// purge is remove, also of what is being fetched.
func (s *store) purge(site, prefix string) error {
	s.purges.Add(1)
	return s.remove(site, prefix)
}
