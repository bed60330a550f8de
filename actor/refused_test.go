package actor_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// Who may not be asked may still end what was, with the key that is known; no other is fetched, and a policy that can't say is no yes.
func TestTheKnownKeyOfAHostThatMayNotBeAskedServesHoweverOld(t *testing.T) {
	t.Parallel()
	const id = "https://bad.example/users/bob"
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := signature.MarshalPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	doc := activity.Actor{
		ID: id, Type: activity.Types{"Person"}, Inbox: activity.IRI(id + "/inbox"),
		PublicKey: activity.Refs{activity.PublicKey{ID: id + "#main-key", Owner: id, PEM: pem}.Ref()},
	}
	raw, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	unsure := errors.New("disk on fire")
	for name, c := range map[string]struct {
		allow  error
		keyID  string
		serves bool
	}{
		"refused":             {moderation.ErrRefused, id + "#main-key", true},
		"refused and unknown": {moderation.ErrRefused, "https://bad.example/users/eve#main-key", false},
		"not to be told":      {unsure, id + "#main-key", false},
	} {
		store := storage.Memory().Remotes
		err := store.PutRemote(t.Context(), actor.Remote{ID: id, Document: raw, KeyIDs: []string{id + "#main-key"}, Fetched: time.Now().Add(-90 * 24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := actor.NewResolver(actor.ResolverConfig{Store: store, Allow: func(context.Context, string) error { return c.allow }})
		if err != nil {
			t.Fatal(err)
		}
		key, err := r.PublicKey(t.Context(), c.keyID)
		switch {
		case c.serves && (err != nil || key.Owner != id || !private.PublicKey.Equal(key.Key)):
			t.Errorf("%s: %+v, %v", name, key, err)
		case !c.serves && !errors.Is(err, c.allow):
			t.Errorf("%s: %+v, %v", name, key, err)
		}
	}
}
