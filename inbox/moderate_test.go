package inbox_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// signedBy is a Verifier for whom one actor has signed with one key, whatever the request claims first.
type signedBy struct{ owner, keyID string }

func (s signedBy) Verify(*http.Request, []byte) (signature.Verified, error) {
	return signature.Verified{KeyID: s.keyID, Owner: s.owner}, nil
}

func TestWhoHasSignedIsJudgedAndNotOnlyWhoIsClaimedTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signer signedBy
		want   int
	}{
		"the sender":                         {signedBy{bob, bob + "#main-key"}, http.StatusAccepted},
		"a key of a suspended host":          {signedBy{bob, "https://evil.example/key"}, http.StatusForbidden},
		"somebody suspended brings it":       {signedBy{"https://evil.example/u", "https://evil.example/u#k"}, http.StatusForbidden},
		"a suspended actor of a fine server": {signedBy{there + "/users/eve", there + "/users/eve#k"}, http.StatusForbidden},
	} {
		b := newBench(t, func(conf *inbox.Config) {
			conf.Policy = refusing("evil.example", there+"/users/eve")
			conf.Verifier = c.signer
		})
		if got := b.post(bob, act("Like", there+"/a/1", bob, here+"/ap/objects/1")); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestWhoseAnObjectIsTheAppIsAskedWhereARuleMightBeAboutThem(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	var heard []string
	b := newBench(t, func(c *inbox.Config) {
		c.Policy = refusing("https://else.example/users/eve")
		c.Owner = func(_ context.Context, id string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, id)
			switch id {
			case "https://else.example/n/1":
				return "https://else.example/users/eve", nil
			case "https://else.example/n/3":
				return "", errors.New("not now")
			}
			return "", nil
		}
		c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, m.ObjectID)
			return nil
		})
	})
	for object, want := range map[string]int{
		"https://else.example/n/1": http.StatusAccepted, "https://else.example/n/2": http.StatusAccepted,
		"https://else.example/n/3": http.StatusServiceUnavailable, "https://fine.example/n/1": http.StatusAccepted,
	} {
		if got := b.post(bob, act("Announce", there+"/a/"+object[len(object)-1:]+object[8:12], bob, object, "to", []string{activity.Public, alice})); got != want {
			t.Errorf("%s: %d, want %d", object, got, want)
		}
	}
	b.run()
	slices.Sort(heard)
	if !slices.Equal(heard, []string{"https://else.example/n/2", "https://fine.example/n/1"}) {
		t.Errorf("hooks heard of %q", heard)
	}
	if slices.Contains(asked, "https://fine.example/n/1") {
		t.Error("it was asked where no rule is about anybody")
	}
}

// brokenRules fail.
type brokenRules struct{ moderation.Rules }

var errRules = errors.New("disk on fire")

func (brokenRules) RulesHead(context.Context) (moderation.Head, error) {
	return moderation.Head{}, errRules
}

func TestRulesThatCantBeReadAreNeverAYes(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *inbox.Config) {
		c.Policy = &moderation.Policy{Rules: brokenRules{storage.Memory().Rules}}
		c.Hooks = all(func(context.Context, *inbox.Message) error {
			t.Error("a hook ran")
			return nil
		})
	})
	for _, typ := range []string{"Like", "Follow", "Undo", "Flag", "Announce"} {
		if got := b.post(bob, act(typ, there+"/a/"+typ, bob, here+"/ap/objects/1")); got != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", typ, got)
		}
	}
	if err := b.Receive(t.Context(), []byte(act("Like", there+"/a/1", bob, here+"/ap/objects/1"))); !errors.Is(err, errRules) {
		t.Errorf("Receive: %v", err)
	}
}
