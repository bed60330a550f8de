package media

import (
	"bytes"
	"io/fs"
	"iter"
	"sync"
	"time"
)

// shelf keeps files in memory.
type shelf struct {
	mu    sync.Mutex
	sites map[string]map[string]*item
}

type item struct {
	data []byte
	used time.Time
}

// memory is a blob of bytes that nobody changes.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func newShelf() *shelf { return &shelf{sites: map[string]map[string]*item{}} }

func (s *shelf) open(k key) (blob, info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.sites[k.site][k.name]
	if i == nil {
		return nil, info{}, fs.ErrNotExist
	}
	return memory{bytes.NewReader(i.data)}, info{k, int64(len(i.data)), i.used}, nil
}

func (s *shelf) write(k key, data []byte, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sites[k.site] == nil {
		s.sites[k.site] = map[string]*item{}
	}
	s.sites[k.site][k.name] = &item{data, now}
	return nil
}

func (s *shelf) touch(k key, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.sites[k.site][k.name]; i != nil {
		i.used = now
	}
}

func (s *shelf) remove(k key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sites[k.site], k.name)
	if len(s.sites[k.site]) == 0 {
		delete(s.sites, k.site)
	}
	return nil
}

func (s *shelf) list(site string) iter.Seq2[info, error] {
	var all []info
	s.mu.Lock()
	for of, files := range s.sites {
		if site == "" || of == site {
			for name, i := range files {
				all = append(all, info{key{of, name}, int64(len(i.data)), i.used})
			}
		}
	}
	s.mu.Unlock()
	return func(yield func(info, error) bool) {
		for _, f := range all {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (s *shelf) check() error { return nil }
