package fedihook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

const syncField = "Collection-Synchronization"

func digestOf(ids ...string) string {
	var d actor.FollowersDigest
	for _, id := range ids {
		d.Add(id)
	}
	return d.String()
}

// syncHeader is the field by which a says that it has these followers, at an address.
func syncHeader(a *inboxtest.Actor, address string, ids ...string) http.Header {
	return http.Header{syncField: {fmt.Sprintf(`collectionId="%s/followers", digest="%s", url="%s"`, a.ID(), digestOf(ids...), address)}}
}

// shows makes a's server show a list of followers, and says where.
func shows(a *inboxtest.Actor, ids ...string) string {
	address := a.ID() + "/followers_synchronization"
	a.Server().Put(&activity.Collection{ID: address, Type: activity.Types{"OrderedCollection"}, OrderedItems: activity.List(activity.To(ids...))})
	return address
}

// heardPrivately has a say something to its followers with a field.
func (v *storedFediverse) heardPrivately(t *testing.T, a *inboxtest.Actor, m inboxtest.Manner) {
	t.Helper()
	m.To, m.Personal = append(m.To, alice), true
	accepted(t, "the post", a.With(m).Create(a.Private("<p>psst</p>")))
	settle()
}

func TestWhatIsForFollowersSaysWhoTheyAre(t *testing.T) {
	t.Parallel()
	for _, newer := range []bool{false, true} {
		t.Run(fmt.Sprintf("RFC 9421 is %t", newer), func(t *testing.T) {
			t.Parallel()
			inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
				dora, eve := v.there.Actor("dora"), v.net.Server("far.example").Actor("eve")
				if newer {
					v.there.RequireRFC9421()
				}
				v.follows(t, v.bob, alice)
				v.follows(t, dora, alice)
				v.follows(t, eve, alice)
				private := v.say(t, &activity.Object{Content: "<p>psst</p>", To: activity.To(activity.Followers)})
				for server, want := range map[*inboxtest.Server][]string{v.there: {v.bob.ID(), dora.ID()}, eve.Server(): {eve.ID()}} {
					for _, d := range server.Received("Create") {
						got := d.Header.Get(syncField)
						if got != fmt.Sprintf(`collectionId="%s", digest="%s", url="%s_synchronization"`, aliceGroup, digestOf(want...), aliceGroup) {
							t.Errorf("%s got %q", server.Origin(), got)
						}
						if !slices.Contains(d.Signed.Covered, strings.ToLower(syncField)) {
							t.Errorf("%s: covered are %q", server.Origin(), d.Signed.Covered)
						}
						if d.Activity.Object.First() != private {
							t.Errorf("%s got %s", server.Origin(), d.Activity.Object.First())
						}
					}
					if n := count(server, "Create", private); n != 1 {
						t.Errorf("%s got it %d times", server.Origin(), n)
					}
				}
				// Who follows no more is in no digest.
				accepted(t, "the Undo", dora.Undo("Follow", alice))
				settle()
				v.say(t, &activity.Object{Content: "<p>again</p>", To: activity.To(activity.Followers)})
				all := v.there.Received("Create")
				if got := all[len(all)-1].Header.Get(syncField); !strings.Contains(got, digestOf(v.bob.ID())) {
					t.Errorf("after that: %q", got)
				}
				v.say(t, &activity.Object{Content: "<p>hello</p>"})
				all = v.there.Received("Create")
				if got := all[len(all)-1].Header.Values(syncField); len(all) != 3 || len(got) != 0 {
					t.Errorf("of %d the last, which is for everyone, has %q", len(all), got)
				}
			})
		})
	}
}

func TestFollowersAreShownToTheirOwnServerAlone(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		far := v.net.Server("far.example").Actor("eve")
		v.follows(t, v.bob, alice)
		v.follows(t, far, alice)
		client := v.net.Client()
		defer client.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, aliceGroup+"_synchronization", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", activity.ContentType)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("Cache-Control"), "private") {
			t.Errorf("unsigned: %d, %q", resp.StatusCode, resp.Header.Get("Cache-Control"))
		}
		for a, want := range map[*inboxtest.Actor][]string{v.bob: {v.bob.ID()}, far: {far.ID()}, v.net.Server("else.example").Actor("x"): nil} {
			status, header, body := a.Get(aliceGroup + "_synchronization")
			doc, err := activity.Decode(body)
			if err != nil {
				t.Error(err)
			}
			c, ok := doc.(*activity.Collection)
			if status != http.StatusOK || !ok {
				t.Errorf("%s: %d %T", a.ID(), status, doc)
				continue
			}
			var got []string
			for _, item := range c.OrderedItems {
				got = append(got, item.ID)
			}
			if !slices.Equal(got, want) || c.ID != aliceGroup+"_synchronization" || *c.TotalItems != int64(len(want)) {
				t.Errorf("%s is shown %s with %q", a.ID(), c.ID, got)
			}
			if cc := header.Get("Cache-Control"); cc != "max-age=0, private" {
				t.Errorf("Cache-Control %q", cc)
			}
		}
		if status, _, _ := v.bob.Get("https://blog.example/ap/users/nobody/followers_synchronization"); status != http.StatusNotFound {
			t.Errorf("nobody's: %d", status)
		}
	})
}

func TestWhoIsNotOnTheListFollowsNoMore(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		v.weFollow(t, v.bob, "alice", "carol")
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob, alice), alice)})
		if v.state(t, carol, v.bob.ID()) != 0 || v.state(t, alice, v.bob.ID()) != actor.Accepted {
			t.Errorf("carol: %s, alice: %s", v.state(t, carol, v.bob.ID()), v.state(t, alice, v.bob.ID()))
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		told := slices.ContainsFunc(v.heard, func(m *inbox.Message) bool {
			follow, ok := m.Object.(*activity.Activity)
			return m.Activity.Is("Reject") && m.Sender == v.bob.ID() && ok && follow.Actor.ID == carol && m.By == inbox.ByOrigin
		})
		if !told {
			t.Error("the app does not hear of it")
		}
	})
}

func TestWhoIsOnTheListAndNotAnsweredWasAccepted(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		v.weFollow(t, v.bob, "alice")
		if _, err := v.Follow(t.Context(), "carol", v.bob.ID()); err != nil { // bob's Accept is lost
			t.Fatal(err)
		}
		v.there.Wait("Follow")
		if v.state(t, carol, v.bob.ID()) != actor.Pending {
			t.Fatal("carol's follow is not pending")
		}
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob, alice, carol), alice, carol)})
		if got := v.state(t, carol, v.bob.ID()); got != actor.Accepted {
			t.Errorf("carol's follow is %s", got)
		}
	})
}

func TestWhoIsOnTheListAndNeverAskedTakesItBack(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		v.weFollow(t, v.bob, "alice")
		stray := syncHeader(v.bob, shows(v.bob, alice, carol, "https://blog.example/ap/users/nobody"), alice, carol, "https://blog.example/ap/users/nobody")
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: stray})
		d := v.there.Wait("Undo")
		doc, err := d.Activity.Object[0].Document()
		follow, ok := doc.(*activity.Activity)
		if err != nil || !ok || !follow.Is("Follow") || follow.Actor.ID != carol || follow.Object.First() != v.bob.ID() || d.Signed.Owner != carol {
			t.Errorf("undone is %s by %s", d.Body, d.Signed.Owner)
		}
		time.Sleep(2 * time.Minute)
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: stray})
		if n := count(v.there, "Undo", ""); n != 1 {
			t.Errorf("%d Undos", n)
		}
		if v.state(t, alice, v.bob.ID()) != actor.Accepted {
			t.Error("alice follows no more")
		}
	})
}

// A server that has forgotten all of its follows hears of followers-only posts that concern nobody there.
func TestAFollowThatNobodyHereKnowsOfIsUndone(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		v.weFollow(t, v.bob, "alice")
		if err := v.store.Followers.DeleteFollow(t.Context(), alice, v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		before := len(v.hears("Create"))
		body := `{"id":"` + v.bob.ID() + `/a","type":"Create","actor":"` + v.bob.ID() + `","to":"` + v.bob.ID() + `/followers","object":{"id":"` +
			v.bob.ID() + `/o","type":"Note","attributedTo":"` + v.bob.ID() + `","to":"` + v.bob.ID() + `/followers","content":"psst"}}`
		accepted(t, "the post", v.bob.With(inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob, alice), alice)}).Post(ourInbox, []byte(body)))
		settle()
		if n := count(v.there, "Undo", ""); n != 1 {
			t.Errorf("%d Undos", n)
		}
		if len(v.hears("Create")) != before {
			t.Error("the app was shown a post that is for nobody here")
		}
	})
}

func TestLiarsAboutFollowersChangeNothing(t *testing.T) {
	t.Parallel()
	for name, manner := range map[string]func(v *storedFediverse, evil *inboxtest.Actor) inboxtest.Manner{
		"another collection": func(v *storedFediverse, evil *inboxtest.Actor) inboxtest.Manner {
			return inboxtest.Manner{Header: http.Header{syncField: {fmt.Sprintf(`collectionId="%s/followers", digest="%s", url="%s"`,
				evil.ID(), digestOf(), shows(v.bob))}}}
		},
		"a list on another host": func(v *storedFediverse, evil *inboxtest.Actor) inboxtest.Manner {
			return inboxtest.Manner{Header: syncHeader(v.bob, shows(evil))}
		},
		"a page on another host": func(v *storedFediverse, evil *inboxtest.Actor) inboxtest.Manner {
			address := v.bob.ID() + "/followers_synchronization"
			evil.Server().Put(&activity.Collection{ID: evil.ID() + "/page", Type: activity.Types{"OrderedCollectionPage"}})
			v.there.Put(&activity.Collection{ID: address, Type: activity.Types{"OrderedCollection"}, First: activity.IRI(evil.ID() + "/page")})
			return inboxtest.Manner{Header: syncHeader(v.bob, address)}
		},
		"a list that is not what the digest says": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			return inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob), carol)}
		},
		"a list that is not there": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			return inboxtest.Manner{Header: syncHeader(v.bob, v.bob.ID()+"/nothing")}
		},
		"a list of too many pages": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			address := v.bob.ID() + "/followers_synchronization"
			page := func(n int) string { return fmt.Sprintf("%s?page=%d", address, n) }
			v.there.Put(&activity.Collection{ID: address, Type: activity.Types{"OrderedCollection"}, First: activity.IRI(page(1))})
			for i := 1; i < 20; i++ {
				v.there.Put(&activity.Collection{ID: page(i), Type: activity.Types{"OrderedCollectionPage"}, Next: activity.IRI(page(i + 1))})
			}
			v.there.Put(&activity.Collection{ID: page(20), Type: activity.Types{"OrderedCollectionPage"}})
			return inboxtest.Manner{Header: syncHeader(v.bob, address)}
		},
		"a field that was not signed": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			return inboxtest.Manner{Added: syncHeader(v.bob, shows(v.bob))}
		},
		"two fields": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			h := syncHeader(v.bob, shows(v.bob))
			return inboxtest.Manner{Header: http.Header{syncField: {h[syncField][0], h[syncField][0]}}}
		},
		"nonsense": func(v *storedFediverse, _ *inboxtest.Actor) inboxtest.Manner {
			shows(v.bob)
			return inboxtest.Manner{Header: http.Header{syncField: {"nonsense"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
				evil := v.net.Server("evil.example").Actor("evil")
				v.weFollow(t, v.bob, "alice", "carol")
				m := manner(v, evil)
				m.To, m.Personal = []string{alice}, true
				v.bob.With(m).Create(v.bob.Private("<p>psst</p>"))
				settle()
				for _, id := range []string{alice, carol} {
					if got := v.state(t, id, v.bob.ID()); got != actor.Accepted {
						t.Errorf("%s: %s", id, got)
					}
				}
				if n := count(v.there, "Undo", ""); n != 0 {
					t.Errorf("%d Undos", n)
				}
			})
		})
	}
}

// One list of nobody is what an actor says who has blocked all of a server; more than once a minute it is not asked for.
func TestFollowersAreComparedOnceAMinute(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, nil, func(t *testing.T, v *storedFediverse) {
		v.weFollow(t, v.bob, "alice")
		address := shows(v.bob, alice, carol)
		wrong := syncHeader(v.bob, address, carol) // differs each time, and mends nothing
		asked := func() (n int) {
			for _, r := range v.there.Requests() {
				if r.URL == address {
					n++
				}
			}
			return n
		}
		for range 5 {
			v.heardPrivately(t, v.bob, inboxtest.Manner{Header: wrong})
		}
		if got := asked(); got != 1 {
			t.Errorf("asked %d times", got)
		}
		time.Sleep(time.Minute)
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: wrong})
		if got := asked(); got != 2 {
			t.Errorf("after a minute asked %d times", got)
		}
		for _, r := range v.there.Requests() {
			if r.URL == address && r.Status != http.StatusOK {
				t.Errorf("answered %d", r.Status)
			}
		}
	})
}

func TestFollowersOfOneOriginInSeveralDatabasesAreNotCompared(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, func(c *fedihook.Config) { c.NoSynchronisation = true }, func(t *testing.T, v *storedFediverse) {
		v.follows(t, v.bob, alice)
		v.weFollow(t, v.bob, "alice", "carol")
		v.say(t, &activity.Object{Content: "<p>psst</p>", To: activity.To(activity.Followers)})
		for _, d := range v.there.Received("Create") {
			if got := d.Header.Values(syncField); len(got) != 0 {
				t.Errorf("sent with %q", got)
			}
		}
		v.heardPrivately(t, v.bob, inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob, alice), alice)})
		if v.state(t, carol, v.bob.ID()) != actor.Accepted {
			t.Error("carol follows no more")
		}
		if status, _, _ := v.bob.Get(aliceGroup + "_synchronization"); status != http.StatusNotFound {
			t.Errorf("the list is answered %d", status)
		}
	})
}
