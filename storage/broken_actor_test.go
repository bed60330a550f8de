package storage_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedihook/fedihook/actor"
)

// brokenFollower does what its funcs do, where they are set.
type brokenFollower struct {
	actor.Followers
	follow func(ctx context.Context, follower, followed string) (actor.Follow, error)
	byID   func(ctx context.Context, id string) (actor.Follow, error)
	put    func(ctx context.Context, f actor.Follow) error
	remove func(ctx context.Context, follower, followed string) error
	page   func(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error)
	count  func(ctx context.Context, q actor.FollowQuery) (int64, error)
	urls   func(ctx context.Context, followed string) iter.Seq2[string, error]
}

func (b *brokenFollower) Follow(ctx context.Context, follower, followed string) (actor.Follow, error) {
	if b.follow != nil {
		return b.follow(ctx, follower, followed)
	}
	return b.Followers.Follow(ctx, follower, followed)
}

func (b *brokenFollower) FollowByID(ctx context.Context, id string) (actor.Follow, error) {
	if b.byID != nil {
		return b.byID(ctx, id)
	}
	return b.Followers.FollowByID(ctx, id)
}

func (b *brokenFollower) PutFollow(ctx context.Context, f actor.Follow) error {
	if b.put != nil {
		return b.put(ctx, f)
	}
	return b.Followers.PutFollow(ctx, f)
}

func (b *brokenFollower) DeleteFollow(ctx context.Context, follower, followed string) error {
	if b.remove != nil {
		return b.remove(ctx, follower, followed)
	}
	return b.Followers.DeleteFollow(ctx, follower, followed)
}

func (b *brokenFollower) Follows(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
	if b.page != nil {
		return b.page(ctx, q)
	}
	return b.Followers.Follows(ctx, q)
}

func (b *brokenFollower) CountFollows(ctx context.Context, q actor.FollowQuery) (int64, error) {
	if b.count != nil {
		return b.count(ctx, q)
	}
	return b.Followers.CountFollows(ctx, q)
}

func (b *brokenFollower) Inboxes(ctx context.Context, followed string) iter.Seq2[string, error] {
	if b.urls != nil {
		return b.urls(ctx, followed)
	}
	return b.Followers.Inboxes(ctx, followed)
}

// eachFollower gives each follow a URL, those that are let through.
func eachFollower(s actor.Followers, url func(f actor.Follow) (string, bool)) func(ctx context.Context, followed string) iter.Seq2[string, error] {
	return func(ctx context.Context, followed string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			seen := map[string]bool{}
			for f, err := range actor.All(ctx, s, actor.FollowQuery{Followed: followed}) {
				if u, ok := url(f); ok && !seen[u] {
					if seen[u] = true; !yield(u, err) {
						return
					}
				}
			}
		}
	}
}

var brokenFollowers = []struct {
	check string
	fault func(s actor.Followers) actor.Followers
}{
	{"a version, if there are any, is another one after each change of somebody's followers", func(s actor.Followers) actor.Followers {
		return sameFollowers{s}
	}},
	{"a follow comes back as it was put", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, put: func(ctx context.Context, f actor.Follow) error {
			if f.SharedInbox == "" {
				f.SharedInbox = f.Inbox
			}
			f.At = f.At.Truncate(time.Millisecond)
			return s.PutFollow(ctx, f)
		}}
	}},
	{"what was never put is not found", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, follow: func(ctx context.Context, follower, followed string) (actor.Follow, error) {
			return s.Follow(ctx, strings.ToLower(follower), followed)
		}}
	}},
	{"a follow that is replaced keeps its Seq", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, put: func(ctx context.Context, f actor.Follow) error {
			s.DeleteFollow(ctx, f.Follower, f.Followed)
			return s.PutFollow(ctx, f)
		}}
	}},
	{"of ten simultaneous follows of a pair one is kept", func(s actor.Followers) actor.Followers {
		var n sync.Map
		return &brokenFollower{Followers: s, put: func(ctx context.Context, f actor.Follow) error {
			if _, there := n.LoadOrStore(f.Follower, true); there {
				f.Follower += f.ID
			}
			return s.PutFollow(ctx, f)
		}}
	}},
	{"a deleted follow is gone and its number too", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, remove: func(ctx context.Context, follower, followed string) error {
			s.DeleteFollow(ctx, follower, followed)
			return s.DeleteFollow(ctx, followed, follower)
		}}
	}},
	{"a deleted follow is gone and its number too", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, remove: func(ctx context.Context, follower, followed string) error {
			if _, err := s.Follow(ctx, follower, followed); err != nil {
				return err
			}
			return s.DeleteFollow(ctx, follower, followed)
		}}
	}},
	{"a follow is found by its id, of several the first", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, byID: func(ctx context.Context, id string) (actor.Follow, error) {
			list, _ := s.Follows(ctx, actor.FollowQuery{})
			for _, f := range slices.Backward(list) {
				if f.ID == id {
					return f, nil
				}
			}
			return actor.Follow{}, actor.ErrNotFound
		}}
	}},
	{"a query selects by follower, followed and state", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, page: func(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
			q.State = 0
			return s.Follows(ctx, q)
		}}
	}},
	{"a query selects by follower, followed and state", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, count: func(ctx context.Context, q actor.FollowQuery) (int64, error) {
			q.Follower = ""
			return s.CountFollows(ctx, q)
		}}
	}},
	{"pages neither skip nor repeat", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, page: func(ctx context.Context, q actor.FollowQuery) ([]actor.Follow, error) {
			q.After++
			return s.Follows(ctx, q)
		}}
	}},
	{"pages neither skip nor repeat", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, count: func(ctx context.Context, q actor.FollowQuery) (int64, error) {
			n, err := s.CountFollows(ctx, q)
			return min(n, int64(max(q.Limit, 10))), err
		}}
	}},
	{"inboxes of accepted followers come once each", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, urls: eachFollower(s, func(f actor.Follow) (string, bool) { return cmp.Or(f.SharedInbox, f.Inbox), true })}
	}},
	{"inboxes of accepted followers come once each", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, urls: eachFollower(s, func(f actor.Follow) (string, bool) { return f.Inbox, f.State == actor.Accepted })}
	}},
	{"inboxes of accepted followers come once each", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, urls: eachFollower(s, func(f actor.Follow) (string, bool) {
			return cmp.Or(f.SharedInbox, f.Inbox), f.State == actor.Accepted && f.Inbox != ""
		})}
	}},
	{"an inbox goes with the last follower who takes post there", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, remove: func(ctx context.Context, follower, followed string) error {
			f, err := s.Follow(ctx, follower, followed)
			if err != nil {
				return nil
			}
			f.Followed += " once"
			s.PutFollow(ctx, f) // unrelated
			return nil
		}}
	}},
	{"an inbox goes with the last follower who takes post there", func(s actor.Followers) actor.Followers {
		gone := map[string]bool{}
		return &brokenFollower{Followers: s, remove: func(ctx context.Context, follower, followed string) error {
			if f, err := s.Follow(ctx, follower, followed); err == nil {
				gone[cmp.Or(f.SharedInbox, f.Inbox)] = true
			}
			return s.DeleteFollow(ctx, follower, followed)
		}, urls: eachFollower(s, func(f actor.Follow) (string, bool) {
			u := cmp.Or(f.SharedInbox, f.Inbox)
			return u, f.State == actor.Accepted && !gone[u]
		})}
	}},
	{"an inbox goes with the last follower who takes post there", func(s actor.Followers) actor.Followers {
		first := map[string]string{}
		return &brokenFollower{Followers: s, urls: eachFollower(s, func(f actor.Follow) (string, bool) {
			u := cmp.Or(f.SharedInbox, f.Inbox)
			if was := first[f.Follower]; was == "" {
				first[f.Follower] = u
			} else {
				u = was
			}
			return u, f.State == actor.Accepted
		})}
	}},
	{"inboxes may be changed while they are walked", func(s actor.Followers) actor.Followers {
		return &brokenFollower{Followers: s, urls: func(ctx context.Context, followed string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				n := 0
				for url, err := range s.Inboxes(ctx, followed) {
					if n++; n == 20 {
						return
					}
					if !yield(url, err) {
						return
					}
				}
			}
		}}
	}},
}
