package fedihook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// ring gives verifiers the public keys of a local actor.
type ring struct{ keys *actor.Keyring }

func (r ring) PublicKey(ctx context.Context, keyID string) (signature.PublicKey, error) {
	owner, _, _ := strings.Cut(keyID, "#")
	list, err := r.keys.Public(ctx, owner)
	for _, k := range list {
		if k.ID == keyID {
			return k, err
		}
	}
	return signature.PublicKey{}, errors.Join(err, signature.ErrKeyUnavailable)
}

// carries tells what of its author's an activity carries, each verified.
func carries(t *testing.T, v *storedFediverse, body []byte) (ld, proof bool) {
	t.Helper()
	keys := ring{&actor.Keyring{Store: v.store.Keys, Names: actor.Names{Origin: "https://blog.example"}}}
	if ld = bytes.Contains(body, []byte(`"RsaSignature2017"`)); ld {
		if r, err := (&ldsig.Verifier{Keys: keys}).Verify(t.Context(), body); err != nil || r.Owner != alice {
			t.Errorf("LD signature: %+v, %v\n%s", r, err, body)
		}
	}
	if proof = bytes.Contains(body, []byte(`"DataIntegrityProof"`)); proof {
		if p, err := (&signature.ProofVerifier{Key: keys.PublicKey}).Verify(t.Context(), body); err != nil || p.Owner != alice {
			t.Errorf("proof: %+v, %v\n%s", p, err, body)
		}
	}
	return ld, proof
}

func TestOnlyWhatIsForEveryoneCarriesWhoSaidIt(t *testing.T) {
	t.Parallel()
	for _, fields := range []struct{ noLD, noProofs bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("%+v", fields), func(t *testing.T) {
			t.Parallel()
			inStoredFediverse(t, func(c *fedihook.Config) {
				c.NoLDSignatures, c.NoProofs = fields.noLD, fields.noProofs
			}, func(t *testing.T, v *storedFediverse) {
				accepted(t, "the Follow", v.bob.Follow(alice))
				settle()
				public := map[string]bool{} // of objects
				for audience, to := range map[string]activity.Object{
					"public":         {},
					"unlisted":       {To: activity.To(activity.Followers), CC: activity.To(activity.Public)},
					"followers-only": {To: activity.To(activity.Followers)},
					"direct":         {To: activity.To(v.bob.ID())},
				} {
					to.Content = "<p>" + audience + "</p>"
					id := v.say(t, &to)
					public[id] = audience == "public" || audience == "unlisted"
					if _, err := v.Update(t.Context(), "alice", &activity.Object{ID: id, Content: "<p>edited</p>"}); err != nil {
						t.Fatal(err)
					}
					settle()
					gone := &activity.Activity{Type: activity.Types{"Delete"}, Object: activity.Refs{activity.IRI(id)}}
					gone.To = activity.To(activity.Public, v.bob.ID()) // whatever the app says
					if _, err := v.Send(t.Context(), "alice", gone); err != nil {
						t.Fatal(err)
					}
					settle()
				}
				share := v.bob.Note("<p>shared</p>")
				v.there.Put(share)
				public[share.ID] = true
				boost, err := v.Announce(t.Context(), "alice", share.ID)
				if err != nil {
					t.Fatal(err)
				}
				settle()
				public[boost] = true
				if _, err := v.Undo(t.Context(), "alice", boost); err != nil {
					t.Fatal(err)
				}
				if _, err := v.Like(t.Context(), "alice", share.ID); err != nil {
					t.Fatal(err)
				}
				settle()
				seen := map[string]int{}
				for _, d := range v.there.Received("") {
					typ, object := d.Activity.Type.String(), d.Activity.Object.First()
					seen[typ]++
					want := public[object] && slices.Contains([]string{"Create", "Announce", "Update", "Delete", "Undo"}, typ)
					if ld, proof := carries(t, v, d.Body); ld != (want && !fields.noLD) || proof != (want && !fields.noProofs) {
						t.Errorf("LD signature %t, proof %t: %s", ld, proof, d.Body)
					}
				}
				if fmt.Sprint(seen) != "map[Accept:1 Announce:1 Create:4 Delete:4 Like:1 Undo:1 Update:4]" {
					t.Errorf("it got %v", seen)
				}
			})
		})
	}
}

func TestWhatAsksForSignaturesIsNotEndorsed(t *testing.T) {
	t.Parallel()
	inStoredFediverse(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSigned }, func(t *testing.T, v *storedFediverse) {
		accepted(t, "the Follow", v.bob.Follow(alice))
		id := v.say(t, &activity.Object{Content: "<p>hello</p>"})
		if _, err := v.Delete(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		create, gone := v.there.Wait("Create"), v.there.Wait("Delete")
		if ld, proof := carries(t, v, create.Body); ld || proof {
			t.Errorf("the Create is %s", create.Body)
		}
		if ld, proof := carries(t, v, gone.Body); !ld || !proof {
			t.Errorf("the Delete is %s", gone.Body)
		}
	})
}
