package storage_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/outbox"
	"github.com/fedihook/fedihook/storage"
)

// onBoth runs fn on each of two nodes, four times at once.
func onBoth(t *testing.T, a, b storage.Storage, fn func(s storage.Storage, worker int)) {
	t.Helper()
	var g sync.WaitGroup
	for i, s := range []storage.Storage{a, b, a, b, a, b, a, b} {
		g.Go(func() { fn(s, i) })
	}
	g.Wait()
}

func TestTwoNodesThatAcceptAndUndoTheSameFollowsCountThemExactly(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	ids := []string{"https://a.example/u", "https://b.example/u", "https://c.example/u"}
	onBoth(t, a, b, func(s storage.Storage, worker int) {
		for i := range 60 {
			follower, followed := ids[(i+worker)%3], ids[(i/3+worker)%3]
			err := s.Followers.DeleteFollow(ctx, follower, followed)
			if (i*7+worker)%3 > 0 {
				err = s.Followers.PutFollow(ctx, actor.Follow{
					Follower: follower, Followed: followed, ID: fmt.Sprint(worker, i), State: actor.FollowState((i + worker) % 3),
				})
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	for _, id := range ids {
		list, err := b.Followers.Follows(ctx, actor.FollowQuery{Followed: id})
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []actor.FollowState{0, actor.Pending, actor.Accepted} {
			want := 0
			for _, f := range list {
				if state == 0 || f.State == state {
					want++
				}
			}
			for _, s := range []storage.Storage{a, b} {
				if n, err := s.Followers.CountFollows(ctx, actor.FollowQuery{Followed: id, State: state}); err != nil || n != int64(want) {
					t.Errorf("%s: %d follows that are %v, %v; there are %d", id, n, state, err, want)
				}
			}
		}
		for _, f := range list {
			if err := a.Followers.DeleteFollow(ctx, f.Follower, f.Followed); err != nil {
				t.Error(err)
			}
		}
		if v, err := b.Followers.(actor.FollowersVersions).FollowersVersion(ctx, id); err != nil || v != 0 {
			t.Errorf("nobody follows %s, and something of it is kept: version %d, %v", id, v, err)
		}
	}
}

// A number is given when a follow is written, and seen after its commit: without care, later ones are seen earlier.
func TestWhoWalksFollowersWhileNodesAddSomeMissesNone(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onBoth(t, a, b, func(s storage.Storage, worker int) {
			for i := range 50 {
				f := actor.Follow{Follower: fmt.Sprintf("https://%d.example/%d", worker, i), Followed: "https://a.example/u"}
				if err := s.Followers.PutFollow(ctx, f); err != nil {
					t.Error(err)
				}
			}
		})
	}()
	seen, q := make(map[string]bool), actor.FollowQuery{Followed: "https://a.example/u"}
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		page, err := b.Followers.Follows(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			seen[f.Follower], q.After = true, f.Seq
		}
		if last && len(page) == 0 {
			break
		}
	}
	if len(seen) != 400 {
		t.Errorf("a walk has seen %d follows, there are 400", len(seen))
	}
}

func TestOfTwoNodesThatSaveAMoveOneWinsEachTime(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	if _, err := a.Moves.AddMove(ctx, actor.Move{From: "a", ID: "m", Step: actor.MoveAsking}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	onBoth(t, a, b, func(s storage.Storage, _ int) {
		for n := 0; n < 25; {
			m, err := s.Moves.Move(ctx, "a")
			if err != nil {
				t.Error(err)
				return
			}
			m.After++
			ok, err := s.Moves.SaveMove(ctx, m)
			if err != nil {
				t.Error(err)
				return
			}
			if ok {
				n++
			}
		}
	})
	if m, err := b.Moves.Move(ctx, "a"); err != nil || m.After != 200 || m.Version != 201 {
		t.Errorf("after 200 saves: %+v, %v", m, err)
	}
}

func TestWhoReadsTheTrailOfRulesMissesNoEntry(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onBoth(t, a, b, func(s storage.Storage, worker int) {
			for i := range 20 {
				var entries []moderation.Entry
				for j := range 1 + i%3 {
					entries = append(entries, moderation.Entry{Rule: moderation.Rule{Key: moderation.Key{
						Local: []string{"", "l"}[i%2], About: fmt.Sprintf("%d-%d-%d.example", worker, i, j),
					}}})
				}
				if err := s.Rules.ChangeRules(ctx, entries); err != nil {
					t.Error(err)
				}
			}
		})
	}()
	var after int64
	seen := 0
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		head, err := a.Rules.RulesHead(ctx)
		if err != nil {
			t.Fatal(err)
		}
		page, err := b.Rules.Trail(ctx, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			if e.Seq != after+1 {
				t.Fatalf("entry %d comes after %d", e.Seq, after)
			}
			after = e.Seq
			seen++
		}
		if len(page) < 7 && max(head.Site, head.Own) > after {
			t.Fatalf("the head is at %+v, the trail ends with %d", head, after)
		}
		if last && len(page) == 0 {
			break
		}
	}
	if want := 8 * (7*1 + 7*2 + 6*3); seen != want {
		t.Errorf("a reader has seen %d entries, want %d", seen, want)
	}
}

func TestTwoNodesMakeNoMoreRulesThanThereMayBe(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (a, b storage.Storage){
		"memory":   func(*testing.T) (a, b storage.Storage) { s := storage.Memory(); return s, s },
		"SQLite":   func(t *testing.T) (a, b storage.Storage) { f := newFiles(t); return openFiles(t, f), openFiles(t, f) },
		"postgres": func(t *testing.T) (a, b storage.Storage) { return twoNodes(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			ctx := t.Context()
			policies := map[int]*moderation.Policy{}
			for i := range 2 {
				policies[i] = &moderation.Policy{Rules: []storage.Storage{a, b}[i].Rules, MaxOwn: 20, MaxRules: 10}
			}
			var own, site atomic.Int64
			onBoth(t, a, b, func(_ storage.Storage, worker int) {
				for i := range 5 {
					p := policies[worker%2]
					for local, n := range map[string]*atomic.Int64{"https://here.example/u": &own, "": &site} {
						key := moderation.Key{Local: local, About: fmt.Sprintf("a%d-%d.example", worker, i)}
						switch err := p.Put(ctx, moderation.Rule{Key: key, Severity: moderation.Suspend}); {
						case err == nil:
							n.Add(1)
						case !errors.Is(err, moderation.ErrTooMany):
							t.Error(err)
						}
					}
				}
			})
			if own.Load() != 20 || site.Load() != 10 {
				t.Errorf("%d rules of a user and %d of the site were made, want 20 and 10", own.Load(), site.Load())
			}
			for _, p := range policies {
				if err := p.Renew(ctx); err != nil {
					t.Error(err)
				}
				v, err := p.Judge(ctx, moderation.Question{Host: "b.example", Local: "https://here.example/u"})
				if err != nil || v.Any() {
					t.Errorf("who is judged then: %+v, %v", v, err)
				}
			}
		})
	}
}

func openFiles(t *testing.T, f files) storage.Storage {
	t.Helper()
	return openSQLite(t, openApp(t, f.app), openSQL(t, f.own))
}

func TestWhatIsForwardedAgainIsNotForgotten(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	onBoth(t, a, b, func(s storage.Storage, worker int) {
		for i := range 40 {
			at := start.Add(time.Duration(i) * time.Second)
			err := s.Forwards.PutForwarded(ctx, inbox.Forwarded{Object: "o", Author: "a", Local: "y", At: at})
			err = errors.Join(err, s.Forwards.PutForwarded(ctx, inbox.Forwarded{Object: fmt.Sprint(worker, " ", i), Author: "a", Local: "y", At: start.Add(-time.Hour)}))
			err = errors.Join(err, s.Forwards.ForgetForwarded(ctx, start.Add(-time.Minute), 1))
			if err != nil {
				t.Error(err)
			}
			if list, err := s.Forwards.ForwardedTo(ctx, "o", "a"); err != nil || !slices.Equal(list, []string{"y"}) {
				t.Errorf("forwarded to %q, %v", list, err)
			}
		}
	})
}

func TestTwoNodesRememberNoMoreHostsThanTheyMay(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx := t.Context()
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	onBoth(t, a, b, func(s storage.Storage, worker int) {
		for i := range 15 {
			if err := s.Hosts.See(ctx, fmt.Sprintf("%d-%d.example", worker, i), start.Add(time.Duration(i)*time.Second), 30); err != nil {
				t.Error(err)
			}
		}
	})
	known := 0
	for worker := range 8 {
		for i := range 15 {
			first, err := b.Hosts.FirstSeen(ctx, fmt.Sprintf("%d-%d.example", worker, i))
			if err != nil {
				t.Fatal(err)
			}
			if !first.IsZero() {
				known++
			}
		}
	}
	if known != 30 {
		t.Errorf("%d hosts are known, want 30", known)
	}
}

// Ids may be as long as a document and hold any byte: PostgreSQL has no text with a NUL, no index row of 2,704 bytes.
func TestPostgresKeepsAnyBytesOfAStranger(t *testing.T) {
	t.Parallel()
	s, _ := twoNodes(t)
	ctx := t.Context()
	noise := make([]byte, 20_000) // that nothing can compress
	rand.Read(noise)
	for _, odd := range []string{"\x00", "\xff\xfe\x80", `\x41`, `{"a",NULL}`, string(noise)} {
		name := func(what string) string { return what + odd }
		for range 2 { // adding and replacing
			f := actor.Follow{Follower: name("a"), Followed: name("b"), ID: name("i"), State: actor.Accepted, Inbox: name("x"), SharedInbox: name("y")}
			if err := s.Followers.PutFollow(ctx, f); err != nil {
				t.Fatal(err)
			}
			got, err := s.Followers.FollowByID(ctx, f.ID)
			if f.Seq = got.Seq; err != nil || got != f {
				t.Fatalf("a follow came back as %.100v, %v", got, err)
			}
			if _, err := s.Keys.AddKey(ctx, actor.KeyPair{ActorID: name("a"), KeyID: name("k"), Private: noise}); err != nil {
				t.Fatal(err)
			}
			if owner, err := s.Keys.KeyOwner(ctx, name("k")); err != nil || owner != name("a") {
				t.Fatalf("a key is %.100q's, %v", owner, err)
			}
			r := actor.Remote{ID: name("r"), KeyIDs: []string{name("k")}, ETag: name("e"), LastModified: name("m"), Handle: name("h"), Document: noise}
			if err := s.Remotes.PutRemote(ctx, r); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Remotes.RemoteByKey(ctx, name("k")); err != nil || got.ID != r.ID || got.Handle != r.Handle {
				t.Fatalf("a remote actor came back as %.100v, %v", got, err)
			}
			if ids, err := s.Remotes.RemoteIDs(ctx, "r", 100); err != nil || !slices.Contains(ids, r.ID) {
				t.Fatalf("ids are %.100q, %v", ids, err)
			}
			rule := moderation.Rule{Key: moderation.Key{Local: name("l"), About: name("a")}, Private: odd}
			if err := s.Rules.ChangeRules(ctx, []moderation.Entry{{By: odd, Reason: odd, Rule: rule}}); err != nil {
				t.Fatal(err)
			}
			if list, err := s.Rules.ListRules(ctx, moderation.Query{Local: rule.Local, After: "a"}); err != nil || len(list) != 1 {
				t.Fatalf("rules are %.100v, %v", list, err)
			}
			if err := s.Hosts.See(ctx, odd, time.Now(), 100); err != nil {
				t.Fatal(err)
			}
			relay := outbox.Relay{ID: odd, Inbox: odd, Actor: odd, FollowID: odd}
			if err := errors.Join(s.Relays.PutRelay(ctx, relay), s.Relays.AnswerRelay(ctx, odd, odd, outbox.RelayAccepted, time.Now())); err != nil {
				t.Fatal(err)
			}
			if err := s.Forwards.PutForwarded(ctx, inbox.Forwarded{Object: odd, Author: odd, Local: odd}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Moves.AddMove(ctx, actor.Move{From: odd, To: odd, ID: odd}, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if list, err := s.Moves.ListMoves(ctx, actor.MoveQuery{To: odd}); err != nil || len(list) != 1 || list[0].From != odd {
				t.Fatalf("moves are %.100v, %v", list, err)
			}
			st := consent.Stamp{Kind: consent.Quote, Interaction: odd, Target: odd, Author: odd, Actor: odd, ID: odd, Request: odd, Audience: []string{odd}}
			if old, err := s.Stamps.Stamp(ctx, st.Kind, odd, odd); err == nil {
				st.Version = old.Version
			}
			if err := s.Stamps.SaveStamp(ctx, st); err != nil {
				t.Fatal(err)
			}
			if list, err := s.Stamps.Stamps(ctx, consent.Query{ID: odd, Request: odd, Author: odd, Actor: odd}); err != nil || len(list) != 1 {
				t.Fatalf("stamps are %.100v, %v", list, err)
			}
		}
	}
}
