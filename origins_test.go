package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/actor/check"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

const asDocument = activity.ContentType

// people are the handles of three who have one name.
var people = map[string]string{"alice": alice, "alice@one.example": oneAlice, "alice@two.example": twoAlice}

func TestUsersOfOneNameOnThreeHostsAreThreePeople(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		dora := v.there.Actor("dora")
		v.follows(t, v.bob, oneAlice)
		v.follows(t, dora, twoAlice)
		said := map[string]string{}
		for handle := range people {
			id, err := v.Publish(t.Context(), handle, &activity.Object{Content: "<p>hello from " + handle + "</p>"})
			if err != nil {
				t.Fatal(err)
			}
			said[handle] = id
		}
		settle()
		for handle, want := range map[string][]string{"alice": nil, "alice@one.example": {v.bob.ID()}, "alice@two.example": {dora.ID()}} {
			var got []string
			for f, err := range v.Followers(t.Context(), handle) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, f.Follower)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s is followed by %q, want %q", handle, got, want)
			}
		}
		keys := map[string]bool{}
		for handle, id := range people {
			host, _, _ := strings.Cut(strings.TrimPrefix(id, "https://"), "/")
			if got, err := v.ActorID(t.Context(), handle); got != id || err != nil {
				t.Errorf("%s is %s, %v", handle, got, err)
			}
			if _, got, ok, err := v.Local(t.Context(), id+"/followers"); got != handle || !ok || err != nil {
				t.Errorf("%s is of %q, %v, %v", id, got, ok, err)
			}
			if got, err := v.Handle(t.Context(), id); got != "alice@"+host || err != nil {
				t.Errorf("%s is called %q, %v", id, got, err)
			}
			// Each outbox lists what its owner said, and nothing of the others.
			_, page := v.asked(t, id+"/outbox?page=1", asDocument)
			for other, post := range said {
				if strings.Contains(page, post) != (other == handle) {
					t.Errorf("the outbox of %s: %s", handle, page)
				}
			}
			status, body := v.asked(t, id, asDocument)
			doc, err := activity.Decode([]byte(body))
			if err != nil || status != http.StatusOK {
				t.Fatal(status, body, err)
			}
			a := doc.(*activity.Actor)
			if a.ID != id || a.PreferredUsername != "alice" || a.Name != "alice" || a.Webfinger != "alice@"+host || a.SharedInbox() != "https://"+host+"/ap/inbox" {
				t.Errorf("%s: %s", handle, body)
			}
			if found := straying(t, []byte(body), host); len(found) > 0 || !strings.Contains(body, `"https://blog.example/ap/actor"`) {
				t.Errorf("%s: %q: %s", handle, found, body)
			}
			if peers := check.Refusals(check.Document([]byte(body))); len(peers) > 0 {
				t.Errorf("%s is refused by %q", handle, peers)
			}
			for _, key := range a.Keys() {
				if key.ID != id+"#main-key" || keys[key.PEM] {
					t.Errorf("%s has key %s, which is another's: %t", handle, key.ID, keys[key.PEM])
				}
				keys[key.PEM] = true
			}
			// Each host finds all of them, and none is found by another's name.
			for _, at := range []string{"blog.example", "one.example", "two.example"} {
				status, jrd := v.asked(t, "https://"+at+"/.well-known/webfinger?resource=acct:Alice@"+host, "application/jrd+json")
				if status != http.StatusOK || !strings.Contains(jrd, `"subject":"acct:alice@`+host+`"`) || !strings.Contains(jrd, `"href":"`+id+`"`) {
					t.Errorf("WebFinger of alice@%s at %s: %d %s", host, at, status, jrd)
				}
			}
		}
		if len(keys) != len(people) {
			t.Errorf("there are %d keys", len(keys))
		}
		// What came was signed by whom it is of.
		var from []string
		for _, d := range v.there.Received("Create") {
			if d.Signed.KeyID != d.Activity.Actor.ID+"#main-key" {
				t.Errorf("%s is signed by %s", d.Activity.ID, d.Signed.KeyID)
			}
			from = append(from, d.Activity.Actor.ID)
		}
		if slices.Sort(from); !slices.Equal(from, []string{oneAlice, twoAlice}) {
			t.Errorf("posts came from %q", from)
		}
	})
}

func TestOnAnotherHostAllThatIsSaidComesAndGoes(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		who := "alice@one.example"
		v.follows(t, v.bob, oneAlice)
		if _, err := v.Follow(t.Context(), who, v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Follow")
		accepted(t, "the Accept", v.bob.Accept(oneAlice))
		v.net.Until("it follows", func() bool { return v.state(t, oneAlice, v.bob.ID()) == actor.Accepted })

		post, err := v.Publish(t.Context(), who, &activity.Object{Content: "<p>hello</p>"})
		if err != nil || !strings.HasPrefix(post, "https://one.example/ap/objects/") {
			t.Fatal(post, err)
		}
		if got := v.there.Wait("Create"); got.Activity.Object.First() != post || got.Activity.Actor.ID != oneAlice {
			t.Errorf("it got %s", got.Body)
		}
		if status, body := v.asked(t, post, asDocument); status != http.StatusOK || len(straying(t, []byte(body), "one.example")) > 0 {
			t.Errorf("the post: %d %s", status, body)
		}
		if status, body := v.asked(t, strings.Replace(post, "one.example", "two.example", 1), asDocument); status != http.StatusNotFound {
			t.Errorf("the post on another host: %d %s", status, body)
		}
		if _, err := v.Update(t.Context(), who, &activity.Object{ID: post, Content: "<p>edited</p>"}); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Update")

		reply := v.bob.Reply(post, "<p>hi</p>")
		accepted(t, "the reply", v.bob.Create(reply))
		accepted(t, "the Like", v.bob.Like(post))
		accepted(t, "the Undo", v.bob.Undo("Like", post))
		accepted(t, "a note", v.bob.Create(v.bob.Note("<p>for followers</p>")))
		settle()
		for _, want := range []string{"Follow " + oneAlice, "Create " + reply.ID, "Like " + post} {
			typ, object, _ := strings.Cut(want, " ")
			if n := v.times(typ, object); n != 1 {
				t.Errorf("%s was heard %d times", want, n)
			}
		}
		v.mu.Lock()
		for _, m := range v.heard {
			if typ := m.Activity.Type.String(); len(m.To) == 1 && m.To[0] != oneAlice || len(m.To) > 1 || len(m.To) == 0 && !m.ToFollowers {
				t.Errorf("%s is for %q", typ, m.To)
			}
		}
		v.mu.Unlock()

		if _, err := v.RotateKeys(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, err := v.Delete(t.Context(), who, post); err != nil {
			t.Fatal(err)
		}
		if got := v.there.Wait("Delete"); got.Activity.Object.First() != post || got.Signed.Owner != oneAlice {
			t.Errorf("it got %s by %s", got.Body, got.Signed.Owner)
		}
		if status, _ := v.asked(t, post, asDocument); status != http.StatusGone {
			t.Errorf("the post is %d", status)
		}
		if _, err := v.Unfollow(t.Context(), who, v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		if got := v.there.Wait("Undo"); got.Activity.Actor.ID != oneAlice {
			t.Errorf("it got %s", got.Body)
		}
		for _, r := range v.there.Requests() {
			if r.Status/100 != 2 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// What users of two hosts say to each other stays within the process.
func TestBetweenTwoHostsOfTheSiteNothingIsSent(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		for _, host := range []string{"blog.example", "one.example", "two.example"} {
			v.net.Serve(host, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s was asked for something", host) }))
		}
		if _, err := v.Follow(t.Context(), "alice@two.example", oneAlice); err != nil {
			t.Fatal(err)
		}
		settle()
		if v.state(t, twoAlice, oneAlice) != actor.Accepted || v.state(t, alice, oneAlice) != 0 {
			t.Errorf("alice of two.example: %s, of blog.example: %s", v.state(t, twoAlice, oneAlice), v.state(t, alice, oneAlice))
		}
		post, err := v.Publish(t.Context(), "alice@one.example", &activity.Object{Content: "<p>hello</p>"})
		if err != nil {
			t.Fatal(err)
		}
		settle()
		reply, err := v.Publish(t.Context(), "alice@two.example", &activity.Object{Content: "<p>hi</p>", InReplyTo: activity.IRI(post), To: activity.To(oneAlice)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Like(t.Context(), "alice", post); err != nil {
			t.Fatal(err)
		}
		found, err := v.Lookup(t.Context(), "@alice@two.example")
		if err != nil || found.ID != twoAlice {
			t.Errorf("looked up: %+v, %v", found, err)
		}
		settle()
		for _, want := range []struct {
			typ, object, by, to string
			followers           bool
		}{
			{"Follow", oneAlice, twoAlice, oneAlice, false}, {"Create", post, oneAlice, "", true},
			{"Create", reply, twoAlice, oneAlice, false}, {"Like", post, alice, oneAlice, false},
		} {
			v.mu.Lock()
			i := slices.IndexFunc(v.heard, func(m *inbox.Message) bool { return m.Activity.Is(want.typ) && m.ObjectID == want.object })
			if i < 0 {
				t.Errorf("%s of %s was not heard", want.typ, want.object)
			} else if m := v.heard[i]; m.Sender != want.by || want.to != "" && !slices.Contains(m.To, want.to) || slices.Contains(m.To, alice) || m.ToFollowers != want.followers || m.By != inbox.ByUs {
				t.Errorf("%s of %s by %s, for %q, followers %t", want.typ, want.object, m.Sender, m.To, m.ToFollowers)
			}
			v.mu.Unlock()
		}
		if n := len(v.there.Requests()); n > 0 {
			t.Errorf("%d requests went elsewhere", n)
		}
	})
}

func TestEachHostSaysWhatItIs(t *testing.T) {
	t.Parallel()
	inOrigins(t, func(c *fedihook.Config) {
		c.NodeInfo = func(context.Context) (actor.NodeInfo, error) {
			return actor.NodeInfo{Users: 7, Posts: 77, Name: "Blogs"}, nil
		}
		c.HandleDomain = "handles.example"
	}, func(t *testing.T, v *storedFediverse) {
		const instance = `"href":"https://blog.example/ap/actor"`
		for _, c := range []struct {
			url    string
			status int
			want   string
		}{
			{"https://one.example/.well-known/host-meta", 200, `template="https://one.example/.well-known/webfinger?resource={uri}"`},
			{"https://blog.example/.well-known/host-meta", 200, `template="https://blog.example/`},
			{"https://one.example/.well-known/nodeinfo", 200, `"href":"https://one.example/nodeinfo/2.1"`},
			{"https://one.example/.well-known/nodeinfo", 200, instance},
			{"https://one.example/nodeinfo/2.1", 200, `"usage":{"users":{}},"metadata":{"nodeName":"Blogs"}`},
			{"https://blog.example/nodeinfo/2.0", 200, `"usage":{"users":{"total":7},"localPosts":77}`},
			{"https://one.example/.well-known/webfinger?resource=acct:one.example@one.example", 200, instance},
			{"https://one.example/.well-known/webfinger?resource=https://one.example/", 200, instance},
			{"https://one.example/.well-known/webfinger?resource=https://one.example", 200, `"subject":"acct:blog.example@blog.example"`},
			{"https://one.example/.well-known/webfinger?resource=" + oneAlice, 200, `"subject":"acct:alice@one.example"`},
			{"https://one.example/.well-known/webfinger?resource=acct:alice@blog.example", 200, `"subject":"acct:alice@handles.example"`},
			{"https://one.example/.well-known/webfinger?resource=acct:carol@blog.example", 404, ""},
			{"https://one.example/.well-known/webfinger?resource=acct:carol@two.example", 404, ""},
			{"https://one.example/.well-known/webfinger?resource=acct:alice@else.example", 404, ""},
			{"https://one.example/.well-known/webfinger?resource=acct:alice@one.example@two.example", 400, ""},
			{"https://one.example/.well-known/webfinger?resource=https://else.example/ap/users/alice", 404, ""},
			{"https://one.example/ap/actor", 404, ""},
			{"https://blog.example/ap/actor", 200, ""},
			{"https://one.example/ap/users/carol", 200, `"preferredUsername":"carol"`},
			{"https://two.example/ap/users/carol", 404, ""},
			{"https://blog.example/ap/users/carol", 404, ""},
			{"https://blog.example/ap/users/alice@one.example", 404, ""},
			{"https://blog.example/ap/users/alice@one.example/followers", 404, ""},
			{"https://one.example/ap/users/alice@two.example", 404, ""},
			{"https://one.example/ap/users/alice/followers", 200, `"id":"https://one.example/ap/users/alice/followers"`},
			// Hosts that are none of the site's are Origin's address by another name, as they ever were.
			{"https://else.example/ap/users/alice", 200, `"id":"https://blog.example/ap/users/alice"`},
			{"https://else.example/ap/users/carol", 404, ""},
			{"https://ONE.example:443/ap/users/carol", 200, `"id":"https://one.example/ap/users/carol"`},
			{"https://one.example:8443/ap/users/carol", 404, ""},
			{"https://one.example./ap/users/carol", 404, ""},
		} {
			status, body := v.asked(t, c.url, "application/activity+json, application/jrd+json")
			if strings.Contains(c.url, "host-meta") {
				status, body = v.asked(t, c.url, "application/xrd+xml")
			}
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%s: %d %s", c.url, status, body)
			}
		}
		form, err := v.FollowForm(t.Context(), "alice@one.example")
		if err != nil || !strings.Contains(string(form), "To follow @alice@one.example from") || !strings.Contains(string(form), `value="`+oneAlice+`"`) {
			t.Errorf("%s, %v", form, err)
		}
		if form, err := v.FollowForm(t.Context(), "alice@blog.example"); err != nil || !strings.Contains(string(form), "To follow @alice@handles.example from") {
			t.Errorf("%s, %v", form, err)
		}
	})
}

// A request is for the host that its signature covers, and nothing else that it may say.
func TestPostIsTakenInAtTheHostsOfTheSiteAlone(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		v.net.Serve("else.example", v.Handler())
		body := func(object string) []byte {
			like := activity.Like(v.there.Origin()+"/likes/"+fmt.Sprint(len(object)), v.bob.ID(), &activity.Object{ID: object})
			like.To = activity.To(oneAlice)
			raw, err := activity.Encode(like)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		for inbox, want := range map[string]int{
			"https://one.example/ap/inbox": 202, "https://two.example/ap/inbox": 202, "https://blog.example/ap/inbox": 202,
			oneAlice + "/inbox": 202, "https://one.example/ap/users/nobody/inbox": 404, "https://two.example/ap/users/carol/inbox": 404,
			"https://blog.example/ap/users/alice@one.example/inbox": 404, "https://else.example/ap/inbox": 401, "https://one.example/inbox": 404,
		} {
			if got := v.bob.Post(inbox, body("https://one.example/ap/objects/1")); got != want {
				t.Errorf("a Like at %s: %d, want %d", inbox, got, want)
			}
		}
		// Nobody speaks for a user of any of the hosts from outside.
		for _, id := range people {
			like := activity.Like(id+"/forged", id, &activity.Object{ID: v.bob.ID()})
			raw, err := activity.Encode(like)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.bob.Post("https://one.example/ap/inbox", raw); got != http.StatusForbidden {
				t.Errorf("in the name of %s: %d", id, got)
			}
		}
	})
}

func TestWhatSomebodySaysMustLieOnTheirHost(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		ctx, who := t.Context(), "alice@one.example"
		elsewhere := &activity.Object{ID: "https://two.example/posts/1", Content: "<p>hello</p>"}
		for name, do := range map[string]func() (string, error){
			"Publish":            func() (string, error) { return v.Publish(ctx, who, elsewhere) },
			"Publish, by id":     func() (string, error) { return v.Publish(ctx, oneAlice, elsewhere) },
			"Publish, at Origin": func() (string, error) { return v.Publish(ctx, "alice", elsewhere) },
			"Update":             func() (string, error) { return v.Update(ctx, who, elsewhere) },
			"Delete":             func() (string, error) { return v.Delete(ctx, who, "https://blog.example/posts/1") },
			"Undo":               func() (string, error) { return v.Undo(ctx, who, "https://blog.example/ap/activities/1") },
			"Send": func() (string, error) {
				return v.Send(ctx, who, activity.Like("https://two.example/ap/activities/1", "", &activity.Object{ID: "https://two.example/posts/1"}))
			},
		} {
			if id, err := do(); !errors.Is(err, fedihook.ErrNotOurs) {
				t.Errorf("%s: %q, %v", name, id, err)
			}
		}
		for handle, id := range map[string]string{
			who: "https://one.example/posts/1", "alice@blog.example": "https://blog.example/posts/1", twoAlice: "https://two.example/posts/1",
		} {
			if got, err := v.Publish(ctx, handle, &activity.Object{ID: id, Content: "<p>hello</p>"}); got != id || err != nil {
				t.Errorf("%s: %q, %v", handle, got, err)
			}
		}
		settle()
		if status, _ := v.asked(t, "https://two.example/posts/1", asDocument); status != http.StatusOK {
			t.Errorf("two's post: %d", status)
		}
	})
}

// An app that forgets the host in what it returns would make one actor of all its users of a name.
func TestAProfileThatForgetsItsHostIsNobodys(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]actor.Profile{
		"the handle": {Handle: "alice"}, "another host": {Handle: "alice@two.example"}, "the id": {Handle: "alice@one.example", ID: "https://blog.example/alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOrigins(t, func(c *fedihook.Config) {
				c.Profile = func(context.Context, string) (actor.Profile, error) { return p, nil }
			}, func(t *testing.T, v *storedFediverse) {
				if id, err := v.ActorID(t.Context(), "alice@one.example"); err == nil || !strings.Contains(err.Error(), "host") {
					t.Errorf("it is %q, %v", id, err)
				}
				if status, body := v.asked(t, "https://one.example/.well-known/webfinger?resource=acct:alice@one.example", "*/*"); status != http.StatusServiceUnavailable {
					t.Errorf("WebFinger: %d %s", status, body)
				}
			})
		})
	}
}

// Whom a server means by its followers here depends on which host it sends to.
func TestFollowersAreComparedHostByHost(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		for handle, id := range people {
			if _, err := v.Follow(t.Context(), handle, v.bob.ID()); err != nil {
				t.Fatal(err)
			}
			v.there.Wait("Follow")
			accepted(t, "the Accept", v.bob.Accept(id))
			v.net.Until("it follows", func() bool { return v.state(t, id, v.bob.ID()) == actor.Accepted })
		}
		tells := func(to, header string, ids ...string) {
			m := inboxtest.Manner{Header: syncHeader(v.bob, shows(v.bob, ids...), ids...), To: []string{to}, Personal: true}
			accepted(t, header, v.bob.With(m).Create(v.bob.Direct(to, "<p>psst</p>")))
			settle()
		}
		tells(oneAlice, "what is true of one.example", oneAlice)
		tells(alice, "what is true of blog.example", alice)
		for _, id := range people {
			if got := v.state(t, id, v.bob.ID()); got != actor.Accepted {
				t.Errorf("%s: %s", id, got)
			}
		}
		tells(twoAlice, "that nobody of two.example follows", "https://two.example/ap/users/nobody")
		for id, want := range map[string]actor.FollowState{alice: actor.Accepted, oneAlice: actor.Accepted, twoAlice: 0} {
			if got := v.state(t, id, v.bob.ID()); got != want {
				t.Errorf("then %s: %s, want %s", id, got, want)
			}
		}
	})
}

// A handler of a site of many hosts is asked with its documents by whoever signs, at the host that they are on.
func TestWhatIsForSomeIsShownAtTheHostThatTheySigned(t *testing.T) {
	t.Parallel()
	inOrigins(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSignedActors }, func(t *testing.T, v *storedFediverse) {
		v.net.Serve("else.example", v.Handler())
		if status, _ := v.asked(t, oneAlice, asDocument); status != http.StatusUnauthorized {
			t.Errorf("unsigned: %d", status)
		}
		if status, _, body := v.bob.Get(oneAlice); status != http.StatusOK || !strings.Contains(string(body), oneAlice) {
			t.Errorf("signed: %d %s", status, body)
		}
		if status, _, body := v.bob.Get("https://else.example/ap/users/alice"); status != http.StatusUnauthorized {
			t.Errorf("signed for another host: %d %s", status, body)
		}
	})
}

func TestTheFollowFormLeadsHomeFromEachHost(t *testing.T) {
	t.Parallel()
	inOrigins(t, nil, func(t *testing.T, v *storedFediverse) {
		for id, want := range map[string]int{oneAlice: http.StatusNotFound, "https://else.example/x": http.StatusBadRequest} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://one.example/ap/interact", strings.NewReader("visitor=nobody@there.example&id="+id))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			v.Handler().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: %d %s", id, w.Code, w.Body)
			}
		}
	})
}

// A proxy that passes on another Host than came makes one of all hosts.
func TestCheckSeesHostsThatAreLostOnTheWay(t *testing.T) {
	t.Parallel()
	inOrigins(t, func(c *fedihook.Config) { c.Checks.Handles = []string{"alice", "carol@one.example"} }, func(t *testing.T, v *storedFediverse) {
		codes := func() (list []fedihook.Code) {
			for _, f := range v.Check(t.Context()) {
				if f.Code != fedihook.CodeVolatile {
					list = append(list, f.Code)
				}
			}
			return list
		}
		if got := codes(); len(got) > 0 {
			t.Errorf("as it should be: %q", got)
		}
		v.net.Serve("one.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = "127.0.0.1:8080"
			v.Handler().ServeHTTP(w, r)
		}))
		if got := codes(); !slices.Equal(got, []fedihook.Code{fedihook.CodeActor}) {
			t.Errorf("without the Host: %q", got)
		}
	})
}
