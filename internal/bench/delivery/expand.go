package main

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/fedihook/fedihook/delivery"
)

// expand measures how long it takes until a post to many followers is in the queue, where their inboxes are
// known and where they are not, and for how long another writer of the same file is kept from it meanwhile.
func (r *runner) expand(ctx context.Context) error {
	list := followersOf(r.followers, r.instances, fine)
	what := fmt.Sprintf("%d followers on %d ", r.followers, min(r.instances, r.followers))
	known, err := r.expansion(ctx, list, false)
	if err != nil {
		return err
	}
	unknown, err := r.expansion(ctx, list, true)
	if err != nil {
		return err
	}
	fromTable, said, err := r.expansionFromTable(ctx)
	if err != nil {
		return err
	}
	var pool expanded
	if r.baseline {
		if pool, err = r.poolExpansion(ctx, list); err != nil {
			return err
		}
	}
	r.both(what+"known inboxes, Enqueue", "ms", known.took, pool.took).atMost(100)
	r.row(what+"unknown inboxes, Enqueue", "ms", unknown.took).atMost(300)
	r.row(what+"known inboxes, Enqueue from the table of followers", "ms", fromTable).atMost(100)
	r.row(what+"known inboxes, from Publish until they are queued", "ms", said).atMost(100)
	for _, e := range []struct {
		what string
		expanded
		pool float64
	}{{"known", known, pool.inside}, {"unknown", unknown, 0}} {
		w := r.row("longest wait of a writer in the process, "+e.what, "ms", e.inside).atMost(10).bare(e.quietInside)
		if r.baseline && e.pool > 0 {
			w.pool(e.pool)
		}
		r.row("longest wait of a writer elsewhere, "+e.what, "ms", e.elsewhere).atMost(10).bare(e.quietElsewhere)
	}
	return nil
}

// expandTimes is of how many runs the median counts.
func (r *runner) expandTimes() int { return r.rounds + 2 }

// expanded is in milliseconds, medians of several runs: how long it took, and for how long others had to wait at
// most. The quiet ones are those of the same two writers beside each other alone.
type expanded struct{ took, inside, elsewhere, quietInside, quietElsewhere float64 }

func followersOf(followers, instances int, kind string) []delivery.Target {
	list := make([]delivery.Target, followers)
	for i := range list {
		host := fmt.Sprintf("http://%s%d.test", kind, i%instances)
		list[i] = delivery.Target{Inbox: fmt.Sprintf("%s/users/%d/inbox", host, i), SharedInbox: host + "/inbox"}
	}
	return list
}

func (r *runner) expansion(ctx context.Context, list []delivery.Target, unknown bool) (expanded, error) {
	folder, err := r.folder()
	if err != nil {
		return expanded{}, err
	}
	f, err := openFile(ctx, "sqlite", folder)
	if err != nil {
		return expanded{}, err
	}
	defer f.close()
	h, err := newHeart(f, null{}, r.inFlight)
	if err != nil {
		return expanded{}, err
	}
	if !unknown {
		if err := h.Enqueue(ctx, post{id: "first", body: r.body}, values(list)); err != nil {
			return expanded{}, err
		}
	}
	return r.expandInto(ctx, f.db, filepath.Join(folder, queueFile), func(i int) func() error {
		r.bar.Show(r.goal, i, r.expandTimes())
		to := list
		if unknown {
			to = followersOf(r.followers, r.instances, fmt.Sprintf("new%d-", i))
		}
		return func() error { return h.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, values(to)) }
	})
}

func (r *runner) poolExpansion(ctx context.Context, list []delivery.Target) (expanded, error) {
	folder, err := r.folder()
	if err != nil {
		return expanded{}, err
	}
	p, db, err := newPool(ctx, folder, null{})
	if err != nil {
		return expanded{}, err
	}
	defer p.close()
	return r.expandInto(ctx, db, filepath.Join(folder, "pool.db"), func(i int) func() error {
		return func() error { return p.Enqueue(ctx, post{id: fmt.Sprint(i), body: r.body}, values(list)) }
	})
}

// expandInto times what prepare returns while two others write into the file.
func (r *runner) expandInto(ctx context.Context, db *sql.DB, path string, prepare func(i int) func() error) (e expanded, err error) {
	if _, err := db.ExecContext(ctx, `CREATE TABLE others (id INTEGER PRIMARY KEY, x INTEGER)`); err != nil {
		return e, err
	}
	other, err := openDB(path)
	if err != nil {
		return e, err
	}
	defer other.Close()
	// Of the longest waits in each run the median counts: a machine that has other things to do makes everybody
	// wait now and then, but not each time.
	var times, inside, elsewhere, quietInside, quietElsewhere []float64
	for i := range r.expandTimes() {
		enqueue := prepare(i)
		quiet := writing(ctx, db, other)
		time.Sleep(100 * time.Millisecond)
		in, out, err := quiet()
		if err != nil {
			return e, err
		}
		quietInside, quietElsewhere = append(quietInside, in), append(quietElsewhere, out)

		busy := writing(ctx, db, other)
		start := time.Now()
		err = enqueue()
		times = append(times, ms(time.Since(start)))
		in, out, waitErr := busy()
		if err == nil {
			err = waitErr
		}
		if err != nil {
			return e, err
		}
		inside, elsewhere = append(inside, in), append(elsewhere, out)
	}
	return expanded{
		took: median(times), inside: median(inside), elsewhere: median(elsewhere),
		quietInside: median(quietInside), quietElsewhere: median(quietElsewhere),
	}, nil
}

func values(list []delivery.Target) iter.Seq[delivery.Target] {
	return func(yield func(delivery.Target) bool) {
		for _, t := range list {
			if !yield(t) {
				return
			}
		}
	}
}
