package inbox

import (
	"cmp"
	"slices"

	"github.com/fedihook/fedihook/activity"
)

const (
	// maxOffers is how many entries wait to be taken in hand, and maxOffered how long the body of one may be: others are found
	// in the journal.
	maxOffers  = 128
	maxOffered = 32 << 10
)

// task is an entry that is to run, and what was read of it before the 202 if it has only just come.
type task struct {
	Entry
	a      *activity.Activity // nil: not read yet
	object activity.Document  // that a embeds; nil: not read, or none
}

// activity is the entry's, read if it has to be.
func (t *task) activity() (*activity.Activity, error) {
	if t.a != nil {
		return t.a, nil
	}
	return read(t.Body)
}

// offer is an entry that was just kept, for who works the journal in this process: it need neither look for it nor read it
// again. What becomes of an offer matters to nobody, for the entry is in the journal.
type offer struct {
	task
	ready  bool
	leases int64 // [Inbox].leases before it was kept: if it is another now, another process may have run the entry
}

// offer tells whoever works the journal that something came.
func (in *Inbox) offer(o offer) {
	if !in.taking.Load() {
		return // what begins begins by looking
	}
	if len(o.Body) <= maxOffered {
		select {
		case in.offers <- o:
			return
		default:
		}
	}
	in.wake()
}

// ready are jobs that wait for a worker, by the Turn of the first entry of each. A job is one entry, or several that one
// hook takes at once. Its zero value is empty.
type ready struct {
	jobs    []*job
	groups  map[string]*job // of each group the one that has room
	entries int
}

type job struct {
	tasks []task
	group string
}

func (j *job) compare(to *job) int {
	a, b := &j.tasks[0].Entry, &to.tasks[0].Entry
	return cmp.Or(a.Turn.Compare(b.Turn), cmp.Compare(a.Seq, b.Seq))
}

// put adds a task, to others of its group unless that is "". If there are more than maxReady entries then, it returns those
// whose turn is the last, which are in no job any more.
func (r *ready) put(t task, group string) (last []task) {
	r.entries++
	if j := r.groups[group]; j != nil && group != "" {
		if j.tasks = append(j.tasks, t); len(j.tasks) == maxGroup {
			delete(r.groups, group)
		}
	} else {
		j = &job{tasks: []task{t}, group: group}
		i, _ := slices.BinarySearchFunc(r.jobs, j, (*job).compare)
		r.jobs = slices.Insert(r.jobs, i, j)
		if group != "" {
			if r.groups == nil {
				r.groups = make(map[string]*job)
			}
			r.groups[group] = j
		}
	}
	if r.entries <= maxReady {
		return nil
	}
	j := r.jobs[len(r.jobs)-1]
	r.jobs = r.jobs[:len(r.jobs)-1]
	r.leave(j)
	return j.tasks
}

// first takes the job whose turn it is.
func (r *ready) first() []task {
	j := r.jobs[0]
	r.jobs = slices.Delete(r.jobs, 0, 1)
	r.leave(j)
	return j.tasks
}

func (r *ready) leave(j *job) {
	r.entries -= len(j.tasks)
	if r.groups[j.group] == j {
		delete(r.groups, j.group)
	}
}
