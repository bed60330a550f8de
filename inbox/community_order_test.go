package inbox_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
)

// However often and in whatever order it comes, directly, through one group and another, from its origin or proved: once.
func TestWhatComesDirectlyAndThroughAGroupRunsItsHookOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, inner, as string }{
		{"a post of the group's host", act("Create", lemmy+"/a/1", carol, page(lemmy+"/post/1", carol, "said"), "audience", cats, "to", activity.Public), carol},
		{"a post from elsewhere", act("Create", there+"/a/1", bob, page(there+"/n/1", bob, "said"), "audience", cats, "to", activity.Public), bob},
		{"a vote of the group's host", act("Like", lemmy+"/a/1", carol, here+"/ap/objects/1", "audience", cats), carol},
		{"a vote from elsewhere", act("Like", there+"/a/1", bob, here+"/ap/objects/1", "audience", cats), bob},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ways := []string{"direct", "announced", "announced again"}
			for order := range permutations(ways) {
				for pause := range 3 {
					var got []string
					_, knows := inGroups(&got)
					b := newBench(t, knows)
					b.book.followed[cats] = true
					var inner object
					if err := json.Unmarshal([]byte(c.inner), &inner); err != nil {
						t.Fatal(err)
					}
					b.peers.docs[inner["id"].(string)] = c.inner
					posted := ""
					if o, ok := inner["object"].(object); ok {
						posted = o["id"].(string)
						raw, err := json.Marshal(o)
						if err != nil {
							t.Fatal(err)
						}
						b.peers.docs[posted] = string(raw)
					}
					for i, way := range order {
						var status int
						switch way {
						case "direct":
							status = b.post(c.as, c.inner)
						case "announced":
							status = b.post(cats, announcing(1, cats, c.inner))
						case "announced again":
							status = b.post(cats, announcing(2, cats, c.inner))
						}
						if status != http.StatusAccepted {
							t.Fatalf("%s: %d", way, status)
						}
						if i == pause {
							b.run()
						}
					}
					b.run()
					if len(got) != 1 {
						t.Errorf("in the order %q, pausing after %d: %q", order, pause, got)
					}
				}
			}
		})
	}
}

func TestTheAnnounceOfAnObjectGivesWayToTheCreateOfIt(t *testing.T) {
	t.Parallel()
	keys() // outside, where time is not free
	copied := act("Announce", lemmy+"/activities/announce/9", cats, object{"id": lemmy + "/post/1", "type": "Page", "actor": cats, "attributedTo": carol}, "to", activity.Public)
	create := act("Create", lemmy+"/a/1", carol, page(lemmy+"/post/1", carol, "said"), "audience", cats, "to", activity.Public)
	for _, c := range []struct {
		name   string
		bodies []string // by cats, or if they are carol's by carol
		want   []string
	}{
		{"after the Create through the group", []string{announcing(1, cats, create), copied}, []string{"Create Create by carol, group, said, in cats"}},
		{"before the Create through the group", []string{copied, announcing(1, cats, create)}, []string{"Create Create by carol, group, said, in cats"}},
		{"before a direct Create", []string{copied, create}, []string{"Create Create by carol, request, said"}},
		{"after a direct Create", []string{create, copied}, []string{"Create Create by carol, request, said"}},
		{"twice, without the Create", []string{copied, copied}, []string{"Announce Announce by cats, request"}},
		{"and is taken back", []string{copied, act("Undo", lemmy+"/a/2", cats, json.RawMessage(copied), "to", activity.Public)}, []string{"Undo Undo by cats, request"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var got []string
				_, knows := inGroups(&got)
				b := newBench(t, func(conf *inbox.Config) {
					knows(conf)
					hooks := conf.Hooks
					conf.Hooks = all(func(ctx context.Context, m *inbox.Message) error {
						mu.Lock()
						defer mu.Unlock()
						return map[string]inbox.Hook{"Create": hooks.Create, "Announce": hooks.Announce, "Undo": hooks.Undo}[m.Activity.Type.String()](ctx, m)
					})
				})
				b.book.followed[cats], b.book.followed[carol] = true, true
				for _, body := range c.bodies {
					as := cats
					if body == create {
						as = carol
					}
					if status := b.post(as, body); status != http.StatusAccepted {
						t.Fatalf("status %d", status)
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- b.Run(ctx) }()
				time.Sleep(50 * time.Second)
				mu.Lock()
				early := len(got)
				mu.Unlock()
				time.Sleep(20 * time.Second)
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("hooks got %q, want %q", got, c.want)
				}
				if strings.HasPrefix(c.want[0], "Announce") && early != 0 {
					t.Error("it did not wait")
				}
			})
		})
	}
}
