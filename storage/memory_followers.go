package storage

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/fedihook/fedihook/actor"
)

// followPage is how many follows a page has when the query does not say.
const followPage = 100

// memoryFollowers is an actor.Followers and an actor.FollowersVersions.
type memoryFollowers struct {
	mu    sync.Mutex
	seq   int64
	pairs map[pair]*actor.Follow
	list  []*actor.Follow // by Seq
	last  int64           // the highest version
	of    map[string]followed
}

// followed is who has followers.
type followed struct {
	follows int
	version int64
}

type pair struct{ follower, followed string }

func (m *memoryFollowers) Follow(ctx context.Context, follower, followed string) (actor.Follow, error) {
	if err := ctx.Err(); err != nil {
		return actor.Follow{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.pairs[pair{follower, followed}]
	if f == nil {
		return actor.Follow{}, fmt.Errorf("storage: follow of %s by %s: %w", followed, follower, actor.ErrNotFound)
	}
	return *f, nil
}

func (m *memoryFollowers) FollowByID(ctx context.Context, id string) (actor.Follow, error) {
	if err := ctx.Err(); err != nil {
		return actor.Follow{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.list, func(f *actor.Follow) bool { return f.ID == id })
	if i < 0 || id == "" {
		return actor.Follow{}, fmt.Errorf("storage: follow %s: %w", id, actor.ErrNotFound)
	}
	return *m.list[i], nil
}

func (m *memoryFollowers) PutFollow(ctx context.Context, f actor.Follow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f.At = kept(f.At)
	k := pair{f.Follower, f.Followed}
	if old := m.pairs[k]; old != nil {
		m.changed(f.Followed, 0)
		f.Seq = old.Seq
		*old = f
		return nil
	}
	m.changed(f.Followed, 1)
	m.seq++
	f.Seq = m.seq
	m.pairs[k] = &f
	m.list = append(m.list, &f)
	return nil
}

func (m *memoryFollowers) DeleteFollow(ctx context.Context, follower, followed string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := pair{follower, followed}
	if f := m.pairs[k]; f != nil {
		i := m.after(f.Seq - 1)
		m.list = slices.Delete(m.list, i, i+1)
		delete(m.pairs, k)
		m.changed(followed, -1)
	}
	return nil
}

// changed counts the follows of an actor, and gives it another version.
func (m *memoryFollowers) changed(id string, more int) {
	m.last++
	f := followed{m.of[id].follows + more, m.last}
	if m.of == nil {
		m.of = make(map[string]followed)
	}
	if m.of[id] = f; f.follows == 0 {
		delete(m.of, id)
	}
}

func (m *memoryFollowers) FollowersVersion(ctx context.Context, followed string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of[followed].version, nil
}

// after returns the index of the first follow with a higher Seq.
func (m *memoryFollowers) after(seq int64) int {
	i, _ := slices.BinarySearchFunc(m.list, seq, func(f *actor.Follow, seq int64) int {
		if f.Seq <= seq {
			return -1
		}
		return cmp.Compare(f.Seq, seq)
	})
	return i
}

func (m *memoryFollowers) Follows(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.Limit <= 0 {
		q.Limit = followPage
	}
	var page []actor.Follow
	for _, f := range m.list[m.after(q.After):] {
		if len(page) == q.Limit {
			break
		}
		if selects(q, f) {
			page = append(page, *f)
		}
	}
	return page, nil
}

func (m *memoryFollowers) CountFollows(ctx context.Context, q actor.FollowQuery) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int64
	for _, f := range m.list {
		if selects(q, f) {
			n++
		}
	}
	return n, nil
}

func (m *memoryFollowers) Inboxes(ctx context.Context, followed string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		for url := range m.inboxes(followed) {
			if !yield(url, nil) {
				return
			}
		}
	}
}

func (m *memoryFollowers) inboxes(followed string) map[string]struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	urls := make(map[string]struct{})
	for _, f := range m.list {
		if f.Followed == followed && f.State == actor.Accepted {
			urls[cmp.Or(f.SharedInbox, f.Inbox)] = struct{}{}
		}
	}
	return urls
}

func selects(q actor.FollowQuery, f *actor.Follow) bool {
	return (q.Follower == "" || q.Follower == f.Follower) &&
		(q.Followed == "" || q.Followed == f.Followed) &&
		(q.State == 0 || q.State == f.State)
}
