package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	smallFanOut = 1000 // the least for which the goal holds
	sendRate    = 1500 // a second: about what signing with RSA allows
)

// bytes measures what the queue's file takes for each target that waits, and what is written for it in all its
// life, bodies apart. It is written sparingly at the speed of nowhere and less so at that of signing: both count.
func (r *runner) bytes(ctx context.Context) error {
	if _, err := written(); err != nil {
		r.row("this system does not tell how much a process writes", "", 0)
		return nil
	}
	large := max(min(r.followers, r.instances), 1)
	small := min(smallFanOut, large)
	for _, c := range []struct {
		what                  string
		posts, targets, speed int
	}{
		{fmt.Sprintf("20 posts × %d hosts", small), 20, small, 0},
		{fmt.Sprintf("20 posts × %d hosts, %d a second", small, sendRate), 20, small, sendRate},
		{fmt.Sprintf("2 posts × %d hosts", large), 2, large, 0},
		{fmt.Sprintf("2 posts × %d hosts, %d a second", large, sendRate), 2, large, sendRate},
	} {
		queue, err := r.bytesOf(ctx, c.what, false, c.posts, c.targets, c.speed)
		if err != nil {
			return err
		}
		var pool traffic
		if r.baseline {
			if pool, err = r.bytesOf(ctx, c.what+", pool", true, c.posts, c.targets, c.speed); err != nil {
				return err
			}
		}
		if c.speed == 0 {
			r.both(c.what+", stored per target that waits", "B", queue.stored, pool.stored).atMost(4)
		}
		r.both(c.what+", written per target", "B", queue.written, pool.written).atMost(100)
	}
	return nil
}

type traffic struct{ stored, written float64 } // bytes per target

// written is what this process has handed to the system to be written so far. The bar is not shown meanwhile.
func written() (int64, error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "wchar: "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, errors.New("/proc/self/io has no wchar")
}

// paced is nowhere with a speed.
type paced struct {
	speed int // a second; 0: any
	start atomic.Pointer[time.Time]
	n     atomic.Int64
}

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.speed > 0 {
		now := time.Now()
		p.start.CompareAndSwap(nil, &now)
		time.Sleep(time.Until(p.start.Load().Add(time.Duration(p.n.Add(1)) * time.Second / time.Duration(p.speed))))
	}
	return null{}.RoundTrip(r)
}

func (r *runner) bytesOf(ctx context.Context, label string, usePool bool, posts, targets, speed int) (out traffic, err error) {
	folder, err := r.folder()
	if err != nil {
		return out, err
	}
	m := measure(&paced{speed: speed}, fine, posts*targets)
	var e engine
	var f *file
	if usePool {
		p, db, err := newPool(ctx, folder, m)
		if err != nil {
			return out, err
		}
		e, f = p, &file{db: db}
	} else {
		if f, err = openFile(ctx, "sqlite", folder); err != nil {
			return out, err
		}
		if e, err = newHeart(f, m, r.inFlight); err != nil {
			return out, err
		}
	}
	defer f.close()
	if !usePool { // the inboxes become known
		known := measure(null{}, fine, targets)
		h, err := newHeart(f, known, r.inFlight)
		if err != nil {
			return out, err
		}
		if err := r.through(ctx, h, known, label, 1, targets, "known"); err != nil {
			return out, err
		}
	}
	if err := f.checkpoint(ctx); err != nil {
		return out, err
	}
	before, err := f.size(ctx)
	if err != nil {
		return out, err
	}
	began, err := written()
	if err != nil {
		return out, err
	}
	to := inboxes(fine, targets)
	for i := range posts {
		if err := e.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, to); err != nil {
			return out, err
		}
	}
	if err := f.checkpoint(ctx); err != nil {
		return out, err
	}
	after, err := f.size(ctx)
	if err != nil {
		return out, err
	}
	if err := r.through(ctx, e, m, label, 0, 0, ""); err != nil {
		return out, err
	}
	if err := f.checkpoint(ctx); err != nil {
		return out, err
	}
	ended, err := written()
	if err != nil {
		return out, err
	}
	all := float64(posts * targets)
	bodies := int64(posts * len(r.body))
	// A body is written to the log and then to the file.
	return traffic{float64(after-before-bodies) / all, float64(ended-began-2*bodies) / all}, nil
}

// through runs an engine until all was posted and recorded, after so many posts more.
func (r *runner) through(ctx context.Context, e engine, m *meter, label string, posts, targets int, id string) error {
	for i := range posts {
		if err := e.Enqueue(ctx, post{id: fmt.Sprint(id, i), body: r.body}, inboxes(fine, targets)); err != nil {
			return err
		}
	}
	stop := working(ctx, e)
	ok, err := r.wait(ctx, m, label)
	if stopErr := stop(); err == nil {
		err = stopErr
	}
	if err == nil && !ok {
		err = fmt.Errorf("%s: %d of %d posted in %v", label, m.done.Load(), m.want, r.patience)
	}
	return err
}
