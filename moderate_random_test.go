package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/storage"
)

// isolated is an app of which no other server can be reached: what is to be delivered waits.
type isolated struct {
	*fedihook.Server
	store storage.Storage
}

func newIsolated(t *testing.T, store storage.Storage) *isolated {
	t.Helper()
	store.Keys = madeOnce()
	s, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example", Storage: store, Logger: slog.New(slog.DiscardHandler),
		InsecureDial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") },
		Profile: func(_ context.Context, handle string) (actor.Profile, error) {
			if handle != "alice" && handle != "erin" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: handle}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &isolated{s, store}
}

func (s *isolated) run(t *testing.T) (stop func()) {
	return (&moderated{Server: s.Server}).run(t)
}

// meet makes actors at a host known, and returns their ids.
func (s *isolated) meet(t *testing.T, host string, n int) (ids []string) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("https://%s/users/%d", host, i)
		doc := activity.Actor{ID: id, Type: activity.Types{"Person"}, Inbox: activity.IRI(id + "/inbox")}
		raw, err := doc.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.Remotes.PutRemote(t.Context(), actor.Remote{ID: id, Document: raw, Fetched: time.Now()}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func (s *isolated) relate(t *testing.T, follower, followed string, state actor.FollowState) {
	t.Helper()
	remote := follower
	if strings.HasPrefix(follower, "https://blog.example/") {
		remote = followed
	}
	f := actor.Follow{
		Follower: follower, Followed: followed, ID: follower + "#follow-" + followed, State: state, Inbox: remote + "/inbox", At: time.Now(),
	}
	if err := s.store.Followers.PutFollow(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func (s *isolated) relations(t *testing.T) (list []actor.Follow) {
	t.Helper()
	for f, err := range actor.All(t.Context(), s.store.Followers, actor.FollowQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// waiting lists the inboxes for which something waits that is no goodbye, as often as it does.
func (s *isolated) waiting(t *testing.T) (inboxes, goodbyes []string) {
	t.Helper()
	_, err := s.Queue().Count(t.Context(), func(id, inbox string) bool {
		if strings.Contains(id, "/activities/part-") {
			goodbyes = append(goodbyes, inbox)
		} else {
			inboxes = append(inboxes, inbox)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return inboxes, goodbyes
}

// oracle judges as the documentation says, by the plainest means: whether the site's rules, or a user's own, refuse an actor or a host.
type oracle map[moderation.Key]moderation.Rule

func (o oracle) refuses(local, id string) bool {
	host, isID := id, false
	if rest, ok := strings.CutPrefix(id, "https://"); ok {
		host, _, _ = strings.Cut(rest, "/")
		isID = true
	}
	domain := false
	labels := strings.Split(host, ".")
	for i := range labels {
		if r, ok := o[moderation.Key{Local: local, About: strings.Join(labels[i:], ".")}]; ok {
			domain = r.Severity == moderation.Suspend
			break
		}
	}
	if r, ok := o[moderation.Key{Local: local, About: id}]; isID && ok && r.Severity == moderation.Suspend {
		return true
	}
	return domain
}

// What was foretold of a rule is what it then does, and that is what the rules say: for random sites and rules.
func TestWhatWasForetoldIsWhatARuleDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { foretellAndDo(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func foretellAndDo(t *testing.T, r *rand.Rand) {
	s := newIsolated(t, storage.Memory())
	defer s.run(t)()
	hosts := []string{"a.example", "b.example", "x.a.example", "y.a.example", "z.x.a.example", "other.net", "a.example.net"}
	users := []string{alice, erin}
	var ids []string
	for _, host := range hosts {
		ids = append(ids, s.meet(t, host, 1+r.IntN(3))...)
	}
	states := []actor.FollowState{actor.Pending, actor.Accepted}
	for range 30 {
		user, remote := users[r.IntN(2)], ids[r.IntN(len(ids))]
		if r.IntN(2) == 0 {
			s.relate(t, user, remote, states[r.IntN(2)])
		} else {
			s.relate(t, remote, user, states[r.IntN(2)])
		}
	}
	s.relate(t, alice, erin, actor.Accepted)
	for i := range 10 {
		var to []delivery.Target
		for range 1 + r.IntN(6) {
			id := ids[r.IntN(len(ids))]
			inbox := id + "/inbox"
			if r.IntN(2) == 0 {
				inbox = id[:strings.Index(id, "/users/")] + "/inbox" // the shared one
			}
			to = append(to, delivery.Target{Inbox: inbox})
		}
		_, err := s.Queue().Enqueue(t.Context(), nil, delivery.Activity{ID: fmt.Sprint("https://blog.example/", i), Sender: alice, Body: []byte("{}")}, slices.Values(to))
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	model := oracle{}
	for range 8 {
		var rules []moderation.Rule
		for range 1 + r.IntN(3) {
			rule := moderation.Rule{Severity: moderation.Severity(r.IntN(3)), RejectMedia: r.IntN(4) == 0}
			switch r.IntN(4) {
			case 0:
				rule.About = ids[r.IntN(len(ids))]
			case 1:
				rule.About = []string{"example", "net", "x.a.example"}[r.IntN(3)]
			default:
				rule.About = hosts[r.IntN(len(hosts))]
			}
			if r.IntN(3) == 0 {
				rule.Local = users[r.IntN(2)]
				if r.IntN(3) == 0 {
					rule.About = users[r.IntN(2)] // of each other, or of themselves
				}
			}
			rules = append(rules, rule)
		}
		var keys []moderation.Key
		if known := slices.Collect(maps.Keys(model)); len(known) > 0 && r.IntN(3) == 0 {
			slices.SortFunc(known, func(a, b moderation.Key) int { return strings.Compare(a.Local+a.About, b.Local+b.About) })
			keys = []moderation.Key{known[r.IntN(len(known))]}
		}
		s.changeAndCompare(t, model, rules, keys)
	}
}

// changeAndCompare lifts keys or, if there are none, makes rules.
func (s *isolated) changeAndCompare(t *testing.T, model oracle, rules []moderation.Rule, keys []moderation.Key) {
	t.Helper()
	before := s.relations(t)
	pending, goodbyes := s.waiting(t)
	var foretold, did moderation.Effect
	var err, failed error
	if keys != nil {
		foretold, err = s.ForetellLift(t.Context(), keys...)
		did, failed = s.Lift(t.Context(), "", "", keys...)
		for _, k := range keys {
			delete(model, k)
		}
	} else {
		foretold, err = s.Foretell(t.Context(), rules...)
		did, failed = s.Moderate(t.Context(), rules...)
		for _, r := range rules {
			model[r.Key] = r
		}
	}
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	sameEffect(t, foretold, did)

	left := make(map[[2]string]bool)
	for _, f := range s.relations(t) {
		left[[2]string{f.Follower, f.Followed}] = true
	}
	ended, told := make(map[string]int64), len(goodbyes)
	for _, f := range before {
		user, remote := f.Followed, f.Follower
		if strings.HasPrefix(f.Follower, "https://blog.example/") {
			user, remote = f.Follower, f.Followed
		}
		here := strings.HasPrefix(remote, "https://blog.example/")
		refused := !here && model.refuses("", remote) || model.refuses(user, remote) || here && model.refuses(remote, user)
		if left[[2]string{f.Follower, f.Followed}] == refused {
			t.Errorf("%s follows %s: left %v, refused %v under %v", f.Follower, f.Followed, !refused, refused, model)
		}
		if refused {
			if here && !model.refuses(user, remote) {
				user = remote // whose rule it is
			}
			ended[user]++
			if !here {
				told++
			}
		}
	}
	var sum int64
	for user, n := range ended {
		if got := did.Users[user].Sum(); got != n {
			t.Errorf("%s has lost %d, and was told %d", user, n, got)
		}
		sum += n
	}
	if did.Ended.Sum() != sum {
		t.Errorf("%d were ended, and %d said to be", sum, did.Ended.Sum())
	}
	now, goodbyes := s.waiting(t)
	if int64(len(pending)-len(now)) != did.Deliveries {
		t.Errorf("%d deliveries were cancelled, and %d said to be", len(pending)-len(now), did.Deliveries)
	}
	for _, inbox := range now {
		host, _ := activity.Authority(inbox)
		if model.refuses("", host) {
			t.Errorf("something still waits for %s", inbox)
		}
	}
	for _, inbox := range pending {
		owner := strings.TrimSuffix(inbox, "/inbox")
		if model.refuses("", owner) && strings.Contains(owner, "/users/") && slices.Contains(now, inbox) {
			t.Errorf("something still waits for %s", inbox)
		}
	}
	if len(goodbyes) != told {
		t.Errorf("%d goodbyes wait, want %d", len(goodbyes), told)
	}
}
