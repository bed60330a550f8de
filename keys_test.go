package fedihook_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/signature"
)

// shown is what an actor's document says its RSA key is.
func (s *site) shown(handle string) string {
	s.t.Helper()
	_, body, _ := s.get(s.id(handle), activity.ContentType, s, "")
	return pemIn(s.t, []byte(body))
}

// known is the key of an actor elsewhere as it is stored here.
func (s *site) known(id string) string {
	s.t.Helper()
	r, err := s.store.Remotes.Remote(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return pemIn(s.t, r.Document)
}

func pemIn(t *testing.T, document []byte) string {
	t.Helper()
	doc, err := activity.Decode(document)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := doc.(*activity.Actor)
	if !ok || len(a.Keys()) != 1 {
		t.Fatalf("no actor with one key: %s", document)
	}
	return a.Keys()[0].PEM
}

// A peer that has the old key takes the news of the new one only if the old one signed it: it has fetched the actor a
// moment ago and does not do so again.
func TestFollowersLearnOfNewKeysFromTheOldOne(t *testing.T) {
	t.Parallel()
	sites := newSites(t, nil, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice")
	old := a.shown("alice")
	if b.known(a.id("alice")) != old {
		t.Fatal("b does not know the key")
	}
	id, err := a.RotateKeys(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Update", a.id("alice"))
	now := a.shown("alice")
	if now == old || b.known(a.id("alice")) != now {
		t.Error("the new key did not arrive")
	}
	if status, body, _ := a.get(id, activity.ContentType, a, ""); status != 200 || !strings.Contains(body, `"Update"`) {
		t.Errorf("the Update's id answers %d %s", status, body)
	}
	post, err := a.Publish(t.Context(), "alice", note())
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", post)
	if _, err := a.RotateKeys(t.Context(), a.id("alice")); err != nil { // and again, by id
		t.Fatal(err)
	}
	b.until("the third key", func() bool { return b.known(a.id("alice")) == a.shown("alice") && a.shown("alice") != now })
}

// stubborn fails to retire keys for a while.
type stubborn struct {
	actor.Keys
	fail atomic.Bool
}

var errDiskFull = errors.New("disk full")

func (s *stubborn) RetireKeys(ctx context.Context, id string, serial int64, at time.Time) error {
	if s.fail.Load() {
		return errDiskFull
	}
	return s.Keys.RetireKeys(ctx, id, serial, at)
}

func TestARotationThatWasCutShortIsFinishedWhenItsNewsGoesOut(t *testing.T) {
	t.Parallel()
	keys := &stubborn{}
	sites := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			keys.Keys = c.Storage.Keys
			c.Storage.Keys = keys
		}
	}, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice")
	old := a.shown("alice")
	keys.fail.Store(true)
	if _, err := a.RotateKeys(t.Context(), "alice"); !errors.Is(err, errDiskFull) {
		t.Fatalf("got %v", err)
	}
	if a.shown("alice") != old {
		t.Error("keys that are not switched are shown")
	}
	post, err := a.Publish(t.Context(), "alice", note())
	if err != nil {
		t.Fatal(err)
	}
	b.waitFor("Create", post) // with the old key, before anybody was told of the new one
	if b.known(a.id("alice")) != old {
		t.Error("b was told of a key that is not in use")
	}
	keys.fail.Store(false)
	b.waitFor("Update", a.id("alice"))
	if now := a.shown("alice"); now == old || b.known(a.id("alice")) != now {
		t.Error("the rotation was not finished")
	}
}

func TestTheInstanceActorAndWhoHasNoFollowersGetNewKeys(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	for _, who := range []string{"alice", a.origin + "/ap/actor"} {
		id := who
		if who == "alice" {
			id = a.id(who)
		}
		get := func() string {
			_, body, _ := a.get(id, activity.ContentType, a, "")
			return pemIn(t, []byte(body))
		}
		old := get()
		if _, err := a.RotateKeys(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		second := get()
		if _, err := a.RevokeKeys(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		if third := get(); second == old || third == old || third == second {
			t.Errorf("%s: the keys did not change", who)
		}
		if list, err := a.store.Keys.ActorKeys(t.Context(), id); err != nil || len(list) != 2 {
			t.Errorf("%s: %d keys are kept after they were revoked, %v", who, len(list), err)
		}
	}
	if _, err := a.RotateKeys(t.Context(), "nobody"); !errors.Is(err, actor.ErrNotFound) {
		t.Errorf("nobody's keys: %v", err)
	}
}

func TestKeysAreNotRotatedInATransaction(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	in := a.In(noTx{})
	if _, err := in.RotateKeys(t.Context(), "alice"); !errors.Is(err, fedihook.ErrOutsideOnly) {
		t.Errorf("got %v", err)
	}
	if _, err := in.Move(t.Context(), "alice", "http://b.test/ap/users/bob"); !errors.Is(err, fedihook.ErrOutsideOnly) {
		t.Errorf("Move in a transaction: %v", err)
	}
	if _, err := in.RevokeKeys(t.Context(), "alice"); !errors.Is(err, fedihook.ErrOutsideOnly) {
		t.Errorf("got %v", err)
	}
}

func TestTransportIsForActorsHere(t *testing.T) {
	t.Parallel()
	a := newSites(t, nil, "a.test")[0]
	for _, sender := range []string{"https://b.test/x", a.id("alice") + " x", a.id("alice") + " ", " 1"} {
		if _, err := a.Transport(sender); !errors.Is(err, delivery.ErrRefused) {
			t.Errorf("%q: %v", sender, err)
		}
	}
}

// noting takes every signature for alice's of a.test and remembers how it was made.
type noting struct {
	mu   sync.Mutex
	seen []string
}

func (n *noting) Verify(r *http.Request, _ []byte) (signature.Verified, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, r.Header.Get("Signature-Input")+r.Header.Get("Signature"))
	return signature.Verified{Owner: "http://a.test/ap/users/alice", KeyID: "http://a.test/ap/users/alice#ed25519-key"}, nil
}

func (n *noting) has(part string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range n.seen {
		if strings.Contains(one, part) {
			return true
		}
	}
	return false
}

func TestAHostThatSaysItVerifiesEd25519GetsIt(t *testing.T) {
	t.Parallel()
	seen := &noting{}
	sites := newSites(t, func(host string, c *fedihook.Config) {
		if host == "b.test" {
			c.Verifier = seen
		}
	}, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice") // whose actor says what b verifies
	if !seen.has(`keyid="http://a.test/ap/users/alice#ed25519-key"`) {
		t.Errorf("b got %q", seen.seen)
	}
}

func TestAHostThatSaysNothingGetsNoEd25519(t *testing.T) {
	t.Parallel()
	seen := &noting{}
	sites := newSites(t, func(host string, c *fedihook.Config) {
		if host == "b.test" {
			c.Verifier = seen
			profile := c.Profile
			c.Profile = func(ctx context.Context, handle string) (actor.Profile, error) {
				p, err := profile(ctx, handle)
				p.Implements = []string{}
				return p, err
			}
		}
	}, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice")
	if seen.has("ed25519-key") || !seen.has(`"http://a.test/ap/users/alice#main-key"`) {
		t.Errorf("b got %q", seen.seen)
	}
}

// sealWith makes Config.SealKey and Config.OpenKey of a key of 32 bytes, which is best kept outside of the database.
func sealWith(secret []byte) (seal, open func(context.Context, []byte, []byte) ([]byte, error), err error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, nil, err
	}
	seal = func(_ context.Context, private, bound []byte) ([]byte, error) {
		return aead.Seal(nil, nil, private, bound), nil
	}
	open = func(_ context.Context, sealed, bound []byte) ([]byte, error) {
		return aead.Open(nil, nil, sealed, bound)
	}
	return seal, open, nil
}

func TestSealedKeysSign(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 32)
	rand.Read(secret)
	seal, open, err := sealWith(secret)
	if err != nil {
		t.Fatal(err)
	}
	sites := newSites(t, func(host string, c *fedihook.Config) { c.SealKey, c.OpenKey = seal, open }, "a.test", "b.test")
	a, b := sites[0], sites[1]
	b.follow("bob", a, "alice")
	list, err := a.store.Keys.ActorKeys(t.Context(), a.id("alice"))
	if err != nil || len(list) != 2 {
		t.Fatalf("%d keys, %v", len(list), err)
	}
	for _, k := range list {
		if bytes.Contains(k.Private, []byte("PRIVATE KEY")) {
			t.Errorf("the %v key is kept as it is", k.Kind)
		}
	}
	_, err = fedihook.New(fedihook.Config{
		Origin: "https://a.test", SealKey: seal,
		Profile: func(context.Context, string) (actor.Profile, error) { return actor.Profile{}, actor.ErrNotFound },
	})
	if err == nil || !strings.Contains(err.Error(), "OpenKey") {
		t.Errorf("SealKey without OpenKey: %v", err)
	}
}
