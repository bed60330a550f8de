package media

import (
	"container/list"
	"errors"
	"sync"
	"time"
)

const (
	maxMisses   = 4096
	missLasting = time.Hour
	missPassing = time.Minute
)

// misses remembers what could not be fetched. When it is full the oldest are forgotten. Its zero value is ready.
type misses struct {
	mu    sync.Mutex
	byURL map[string]*list.Element
	order list.List // of *miss, oldest first
}

type miss struct {
	url   string
	err   error
	until time.Time
}

// get returns why a URL is not to be fetched now, or nil.
func (m *misses) get(url string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byURL[url]
	if e == nil {
		return nil
	}
	if known := e.Value.(*miss); now.Before(known.until) {
		return known.err
	}
	m.order.Remove(e)
	delete(m.byURL, url)
	return nil
}

// add remembers why. Failures that are ours are forgotten at once.
func (m *misses) add(url string, err error, now time.Time) {
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrClosed) || errors.Is(err, ErrUndecided) {
		return
	}
	until := now.Add(missPassing)
	if gone(err) {
		until = now.Add(missLasting)
	}
	var later *retryError
	if errors.As(err, &later) {
		until = now.Add(min(max(later.after, missPassing), missLasting))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byURL == nil {
		m.byURL = map[string]*list.Element{}
	}
	if e := m.byURL[url]; e != nil {
		m.order.Remove(e)
	} else if len(m.byURL) >= maxMisses {
		delete(m.byURL, m.order.Remove(m.order.Front()).(*miss).url)
	}
	m.byURL[url] = m.order.PushBack(&miss{url, err, until})
}

func (m *misses) forget(url string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byURL[url]; e != nil {
		m.order.Remove(e)
		delete(m.byURL, url)
	}
}
