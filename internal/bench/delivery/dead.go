package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

// tooMuch memory ends goal dead early, so that what fails it does not take the machine along.
const tooMuch = 2 << 30

// deadHostsGoal measures what posts to dead hosts cost in memory and in the file, while all of them wait.
func (r *runner) deadHostsGoal(ctx context.Context) error {
	debug.FreeOSMemory()
	folder, err := r.folder()
	if err != nil {
		return err
	}
	f, err := openFile(ctx, r.store, folder)
	if err != nil {
		return err
	}
	defer f.close()
	m := measure(newWire(&sink{}, r.inFlight, false), "nobody", 1)
	h, err := newHeart(f, m, r.inFlight)
	if err != nil {
		return err
	}
	to := inboxes(refuse, r.deadHosts)
	stop := working(ctx, h)
	// The first post is not counted: lanes are made for hosts, and the goal is about what waits for them.
	err = h.Enqueue(ctx, post{id: "first", body: r.body}, to)
	for end := time.Now().Add(r.patience); err == nil && m.tries.Load() < int64(r.deadHosts) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w, %w", err, stop())
	}
	time.Sleep(500 * time.Millisecond) // until that is recorded
	memory, stored, err := r.costs(ctx, f)
	if err != nil {
		return err
	}
	cpu := bench.CPU()
	start, patience := time.Now(), 4*r.patience // it is a large scene
	posts, why := 0, ""
	for ; posts < r.deadPosts && err == nil && why == ""; posts++ {
		r.bar.Show(r.goal, posts, r.deadPosts)
		if err = h.Enqueue(ctx, post{id: fmt.Sprint(posts), body: r.body}, to); err != nil {
			break
		}
		switch {
		case time.Since(start) > patience:
			why = fmt.Sprintf("%v were over", patience)
		case posts%50 == 0 && bench.Used(os.Getpid()).RSS > memory+tooMuch:
			why = "the memory was too much"
		}
	}
	took := time.Since(start)
	cpu = bench.CPU() - cpu
	if err == nil {
		err = f.checkpoint(ctx)
	}
	var nowMemory, nowStored int64
	if err == nil {
		// Memory is counted once the worker has seen all of it.
		time.Sleep(min(took/10+time.Second, 10*time.Second))
		nowMemory, nowStored, err = r.costs(ctx, f)
	}
	if stopErr := stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d dead hosts × %d posts", r.deadHosts, posts)
	w := r.row(what+", memory grew by", "MB", float64(nowMemory-memory)/(1<<20)).atMost(20)
	if why != "" {
		*w.Met = false
		w.note("stopped short of %d posts: %s", r.deadPosts, why)
	}
	if f.db != nil {
		bodies := int64(posts) * int64(len(r.body))
		r.row(what+", stored per target", "B", float64(nowStored-stored-bodies)/float64(posts)/float64(r.deadHosts)).atMost(2).
			note("all pages in use but for the bodies: the target sets, the rows and indexes of the posts, what pages have left over")
	}
	r.row(what+", each enqueued in", "ms", ms(took)/float64(posts)).note("%.1f ms of CPU", ms(cpu)/float64(posts))
	return nil
}

// costs is the memory of this process, without garbage, and the size of the file.
func (r *runner) costs(ctx context.Context, f *file) (memory, stored int64, err error) {
	debug.FreeOSMemory()
	memory = bench.Used(os.Getpid()).RSS
	stored, err = f.size(ctx)
	return memory, stored, err
}
