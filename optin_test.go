package fedihook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// opting is an app whose users alice and carol opt in and out.
type opting struct{ alice, carol atomic.Bool }

func (o *opting) config(c *fedihook.Config) {
	c.OptIn = true
	c.Profile = func(_ context.Context, handle string) (actor.Profile, error) {
		in, ok := map[string]*atomic.Bool{"alice": &o.alice, "carol": &o.carol}[handle]
		if !ok {
			return actor.Profile{}, actor.ErrNotFound
		}
		return actor.Profile{Handle: handle, OptedIn: in.Load()}, nil
	}
}

// asNobody fails where an address of one who is not in is answered in another way than the same one of nobody.
func asNobody(t *testing.T, v *storedFediverse, handle string, others ...string) {
	t.Helper()
	const origin = "https://blog.example"
	pairs := map[string]string{}
	for _, path := range []string{"", "/inbox", "/outbox", "/outbox?page=true", "/followers", "/following", "/featured", "/liked", "#main-key"} {
		pairs[origin+"/ap/users/"+handle+path] = origin + "/ap/users/nobody" + path
	}
	pairs[origin+"/.well-known/webfinger?resource=acct:"+handle+"@blog.example"] = origin + "/.well-known/webfinger?resource=acct:nobody@blog.example"
	pairs[origin+"/.well-known/webfinger?resource="+origin+"/ap/users/"+handle] = origin + "/.well-known/webfinger?resource=" + origin + "/ap/users/nobody"
	for _, id := range others { // what the user made
		folder := id[:strings.LastIndexByte(id, '/')+1]
		pairs[id] = folder + strings.Repeat("0", len(id)-len(folder))
	}
	for known, unknown := range pairs {
		for name, get := range map[string]func(string) (int, http.Header, []byte){
			"signed": v.bob.Get,
			"plain": func(address string) (int, http.Header, []byte) {
				r, err := v.net.Client().Get(address)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				var body [512]byte
				n, _ := r.Body.Read(body[:])
				return r.StatusCode, r.Header, body[:n]
			},
		} {
			status, header, body := get(known)
			want, headerWanted, bodyWanted := get(unknown)
			same := strings.ReplaceAll(string(body), handle, "nobody") == string(bodyWanted)
			if status != want || status/100 == 2 || !same || !reflect.DeepEqual(header, headerWanted) {
				t.Errorf("%s, %s: %d %v %s\nof nobody %d %v %s", known, name, status, header, body, want, headerWanted, bodyWanted)
			}
		}
	}
}

func TestWhoHasNotOptedInIsNobody(t *testing.T) {
	t.Parallel()
	var o opting
	o.alice.Store(true)
	inStoredFediverse(t, o.config, func(t *testing.T, v *storedFediverse) {
		asNobody(t, v, "carol")
		if status, _, _ := v.bob.Get(alice); status != http.StatusOK {
			t.Errorf("alice is %d", status)
		}
		if _, err := v.Publish(t.Context(), "carol", &activity.Object{Content: "<p>hello?</p>", To: activity.To(v.bob.ID())}); err != nil {
			t.Fatal(err) // it is found out when it is to be said
		}
		if _, err := v.ActorID(t.Context(), "carol"); !errors.Is(err, actor.ErrNotFound) {
			t.Errorf("her id: %v", err)
		}
		settle()
		if n := count(v.there, "", ""); n != 0 {
			t.Errorf("%d activities were said", n)
		}
		v.bob.Follow(alice)
		settle()
		if n := count(v.there, "Accept", ""); n != 1 {
			t.Errorf("%d Accepts of alice", n)
		}
		direct := &activity.Object{
			ID: v.there.Origin() + "/n/1", Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(v.bob.ID())}, Content: "<p>hi</p>", To: activity.To(carol),
		}
		v.bob.With(inboxtest.Manner{To: []string{alice}}).Send(activity.Create(v.there.Origin()+"/c/1", direct))
		settle()
		for _, m := range v.hears("Create") { // it was in the inbox of alice
			if slices.Contains(m.To, carol) || len(m.To) > 1 {
				t.Errorf("what is for her came in for %q", m.To)
			}
		}
	})
}

func TestWhoOptsOutIsGoneOnce(t *testing.T) {
	t.Parallel()
	var o opting
	o.alice.Store(true)
	inStoredFediverse(t, o.config, func(t *testing.T, v *storedFediverse) {
		accepted(t, "the Follow", v.bob.Follow(alice))
		settle()
		post := v.say(t, &activity.Object{Content: "<p>hello</p>"})
		create := v.there.Wait("Create").Activity.ID
		id, err := v.OptOut(t.Context(), "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		o.alice.Store(false) // before it was said
		settle()
		again, err := v.OptOut(t.Context(), "alice", "")
		if err != nil || again != id {
			t.Errorf("again: %s, %v", again, err)
		}
		settle()
		if n := count(v.there, "Delete", alice); n != 1 {
			t.Errorf("%d Deletes", n)
		}
		if d := v.there.Wait("Delete"); d.Activity.ID != id || d.Signed.Owner != alice || !d.Activity.To.Has(activity.Public) {
			t.Errorf("said %s", d.Body)
		}
		asNobody(t, v, "alice", post, create)

		// She comes back, and leaves for elsewhere.
		o.alice.Store(true)
		if status, _, _ := v.bob.Get(post); status != http.StatusOK {
			t.Errorf("her post is %d", status)
		}
		if _, err := v.OptIn(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		settle()
		home := v.there.Actor("alice")
		home.Alias(alice)
		moved, err := v.OptOut(t.Context(), "alice", home.ID())
		if err != nil {
			t.Fatal(err)
		}
		o.alice.Store(false)
		settle()
		again, err = v.OptOut(t.Context(), "alice", home.ID())
		if err != nil || again != moved || moved == id {
			t.Errorf("moved by %s, again %s, %v", moved, again, err)
		}
		settle()
		if got := fmt.Sprint(count(v.there, "Move", ""), count(v.there, "Delete", "")); got != "1 1" {
			t.Errorf("Moves and Deletes: %s", got)
		}
		asNobody(t, v, "alice", post, create)
	})
}
