package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// yields is what a query over the old software's tables looks like.
func yields[T any](list ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// newHome is a.test with jane, who has an id of another software, and b.test, whose bob knows her from there.
func newHome(t *testing.T) (a, b *site, old fedihook.ImportActor) {
	t.Helper()
	sites := newSites(t, func(host string, c *fedihook.Config) {
		profile := c.Profile
		c.Profile = func(ctx context.Context, who string) (actor.Profile, error) {
			if host == "a.test" && (who == "jane" || who == "http://a.test/author/jane/") {
				return actor.Profile{Handle: "jane", ID: "http://a.test/author/jane/"}, nil
			}
			return profile(ctx, who)
		}
	}, "a.test", "b.test")
	private, err := signature.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := signature.MarshalPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	a, b = sites[0], sites[1]
	return a, b, fedihook.ImportActor{
		ID: "http://a.test/author/jane/", Key: text, KeyID: "http://a.test/author/jane/main-key",
		Followers: yields(actor.Follow{
			Follower: b.id("bob"), ID: "http://b.test/follows/1", Inbox: b.id("bob") + "/inbox", SharedInbox: "http://b.test/ap/inbox",
		}),
		Following: yields(actor.Follow{Followed: b.id("carol"), Inbox: b.id("carol") + "/inbox"}),
	}
}

func TestAnActorFromOtherSoftwareKeepsItsIDKeyAndFollowers(t *testing.T) {
	t.Parallel()
	a, b, old := newHome(t)
	want := fedihook.Imported{Actors: 1, Followers: 1, Following: 1}
	for range 2 {
		done, err := a.Import(t.Context(), yields(old))
		if err != nil || fmt.Sprint(done) != fmt.Sprint(want) {
			t.Fatalf("got %+v, %v; want %+v", done, err, want)
		}
		want = fedihook.Imported{Actors: 1, Known: 2} // once more, it is all there
	}
	for _, id := range []string{old.ID, old.KeyID} {
		status, body, header := a.get(id, activity.ContentType, a, "")
		doc, err := activity.Decode([]byte(body))
		if err != nil || status != 200 || header.Get("Content-Type") != activity.ContentType {
			t.Fatalf("%s: %d %s, %v", id, status, header, err)
		}
		shown, ok := doc.(*activity.Actor)
		if !ok || shown.ID != old.ID || shown.Inbox.ID == "" || len(shown.Keys()) != 1 || shown.Keys()[0].ID != old.KeyID {
			t.Errorf("%s shows %s", id, body)
		}
	}
	for f, err := range a.Followers(t.Context(), "jane") {
		if err != nil || f.Follower != b.id("bob") || f.ID != "http://b.test/follows/1" || f.State != actor.Accepted || f.At.IsZero() {
			t.Errorf("jane's follower is %+v, %v", f, err)
		}
	}
	if err := b.store.Followers.PutFollow(t.Context(), actor.Follow{Follower: b.id("bob"), Followed: old.ID, ID: "http://b.test/follows/1", State: actor.Accepted}); err != nil {
		t.Fatal(err)
	}
	post, err := a.Publish(t.Context(), "jane", note())
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", post)
	r, err := b.store.Remotes.RemoteByKey(t.Context(), old.KeyID)
	if err != nil || r.ID != old.ID {
		t.Errorf("b knows %s by the key, %v", r.ID, err)
	}
	private, err := signature.ParsePrivateKey(old.Key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := signature.MarshalPublicKey(private.Public())
	if err != nil || b.known(old.ID) != public {
		t.Errorf("b knows another key, %v", err)
	}
	// What she follows can be undone.
	for f, err := range a.Following(t.Context(), "jane") {
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.Followers.PutFollow(t.Context(), actor.Follow{Follower: old.ID, Followed: b.id("carol"), ID: "http://a.test/old/1", State: actor.Accepted}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Undo(t.Context(), "jane", f.ID); err != nil {
			t.Fatal(err)
		}
	}
	b.until("the end of the follow", func() bool { return b.state(old.ID, b.id("carol")) == 0 })
}

func TestAnImportNamesWhatIsWrongWithAnActor(t *testing.T) {
	t.Parallel()
	a, _, old := newHome(t)
	ed, err := signature.GenerateEd25519Key()
	if err != nil {
		t.Fatal(err)
	}
	edText, err := signature.MarshalPrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("the old database is down")
	for name, c := range map[string]struct {
		change func(*fedihook.ImportActor)
		want   error
	}{
		"an id elsewhere":       {func(i *fedihook.ImportActor) { i.ID = "http://b.test/author/jane/" }, fedihook.ErrNotOurs},
		"an unknown id":         {func(i *fedihook.ImportActor) { i.ID = "http://a.test/author/joe/" }, actor.ErrNotFound},
		"the instance actor":    {func(i *fedihook.ImportActor) { i.ID = "http://a.test/ap/actor" }, actor.ErrNotFound},
		"no PEM":                {func(i *fedihook.ImportActor) { i.Key = "secret" }, signature.ErrBadKey},
		"an Ed25519 key as Key": {func(i *fedihook.ImportActor) { i.Key = edText }, signature.ErrBadKey},
		"an RSA key as Ed25519": {func(i *fedihook.ImportActor) { i.Ed25519Key = i.Key }, signature.ErrBadKey},
		"a KeyID without Key":   {func(i *fedihook.ImportActor) { i.Key = "" }, signature.ErrBadKey},
		"a KeyID elsewhere":     {func(i *fedihook.ImportActor) { i.KeyID = "http://b.test/key" }, signature.ErrBadKey},
		"a key of another kind of PEM": {func(i *fedihook.ImportActor) {
			i.Key = strings.ReplaceAll(i.Key, "PRIVATE KEY", "CERTIFICATE")
		}, signature.ErrBadKey},
	} {
		bad := old
		c.change(&bad)
		done, err := a.Import(t.Context(), yields(bad))
		if !errors.Is(err, c.want) || done.Actors+done.Followers+done.Following != 0 {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if _, err := a.store.Keys.KeyOwner(t.Context(), old.KeyID); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("a key was kept: %v", err)
	}
	_, err = a.Import(t.Context(), func(yield func(fedihook.ImportActor, error) bool) { yield(fedihook.ImportActor{}, fault) })
	if !errors.Is(err, fault) {
		t.Errorf("a list of actors that fails: %v", err)
	}
}

func TestAnImportGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	a, _, old := newHome(t)
	fault := errors.New("the old database is down")
	follower := func(i int) actor.Follow {
		id := fmt.Sprintf("http://c.test/u/%d", i)
		return actor.Follow{Follower: id, Inbox: id + "/inbox"}
	}
	old.Followers = func(yield func(actor.Follow, error) bool) {
		for i := range 300 {
			if !yield(follower(i), nil) {
				return
			}
		}
		yield(actor.Follow{}, fault)
	}
	done, err := a.Import(t.Context(), yields(old))
	if !errors.Is(err, fault) || done.Followers != 300 {
		t.Fatalf("got %+v, %v", done, err)
	}
	bad := []actor.Follow{
		{}, {Follower: "@joe@c.test", Inbox: "http://c.test/inbox"}, {Follower: "http://c.test/a"}, {Follower: "http://c.test/b", Inbox: "mailto:b@c.test"},
		{Follower: "http://c.test/c", Inbox: "http://a.test/ap/inbox"}, {Follower: old.ID}, {Follower: "http://a.test/ap/users/nobody"},
		{Follower: "http://a.test/ap/users/gone"},
		{Follower: "http://c.test/d", Followed: "http://a.test/ap/users/alice", Inbox: "http://c.test/d/inbox"},
		{Follower: "http://c.test/e", Inbox: "http://c.test/e/inbox", State: 7},
	}
	good := actor.Follow{Follower: "http://c.test/new", Inbox: "http://c.test/new/inbox", SharedInbox: "http://d.test/inbox", State: actor.Pending}
	here := actor.Follow{Follower: a.id("alice"), Inbox: "http://a.test/whatever"}
	all := slices.Concat([]actor.Follow{follower(0), follower(299)}, bad, []actor.Follow{good, here})
	old.Followers = yields(all...)
	done, err = a.Import(t.Context(), yields(old))
	if err != nil || done.Known != 2 || done.Followers != 2 || done.Refused != len(bad) || len(done.Faults) != len(bad) {
		t.Fatalf("got %+v, %v", done, err)
	}
	for f, err := range a.Requests(t.Context(), "jane") {
		if err != nil || f.Follower != good.Follower || f.SharedInbox != "" {
			t.Errorf("%+v, %v: a shared inbox on another host is used", f, err)
		}
	}
	if f, err := a.store.Followers.Follow(t.Context(), a.id("alice"), old.ID); err != nil || f.Inbox != "" {
		t.Errorf("%+v, %v: a follower here has an inbox", f, err)
	}
	many := func(yield func(actor.Follow, error) bool) {
		for range 150 {
			if !yield(actor.Follow{}, nil) {
				return
			}
		}
	}
	old.Followers = many
	if done, err = a.Import(t.Context(), yields(old)); err != nil || done.Refused != 150 || len(done.Faults) != 100 {
		t.Errorf("%d refused, %d faults, %v", done.Refused, len(done.Faults), err)
	}
}

func ExampleServer_Import() {
	// The profiles know their old ids, and the old software's tables are at hand: here as they would be read from them.
	f, err := fedihook.New(fedihook.Config{
		Origin: "https://blog.example",
		Profile: func(_ context.Context, who string) (actor.Profile, error) {
			if who != "jane" && who != "https://blog.example/author/jane" {
				return actor.Profile{}, actor.ErrNotFound
			}
			return actor.Profile{Handle: "jane", ID: "https://blog.example/author/jane"}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	followers := func(yield func(actor.Follow, error) bool) { // one row after the other
		yield(actor.Follow{Follower: "https://far.example/u/bob", Inbox: "https://far.example/u/bob/inbox"}, nil)
	}
	actors := func(yield func(fedihook.ImportActor, error) bool) {
		yield(fedihook.ImportActor{
			ID: "https://blog.example/author/jane", Key: oldKey(), KeyID: "https://blog.example/author/jane#main-key",
			Followers: followers,
		}, nil)
	}
	done, err := f.Import(context.Background(), actors) // again after an error: it goes on where it stopped
	fmt.Println(done.Actors, done.Followers, err)
	for one, err := range f.Followers(context.Background(), "jane") {
		fmt.Println(one.Follower, err)
	}
	// Output:
	// 1 1 <nil>
	// https://far.example/u/bob <nil>
}

// oldKey is the PEM that the old software kept.
func oldKey() string {
	private, err := signature.GenerateKey()
	if err != nil {
		panic(err)
	}
	text, err := signature.MarshalPrivateKey(private)
	if err != nil {
		panic(err)
	}
	return text
}
