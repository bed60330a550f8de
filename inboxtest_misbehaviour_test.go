package fedihook_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/signature"
)

// TestAServerThatMisbehavesIsServedOnceItBehaves: what a follower's server refuses for a while arrives afterwards, and is not sent
// more often than it should be.
func TestAServerThatMisbehavesIsServedOnceItBehaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		misbehave func(*inboxtest.Server)
		within    time.Duration
		first     []int // how it answers within that time; nil: not asked
	}{
		{"refuses our signature", (*inboxtest.Server).RefuseSignatures, 29 * time.Second, []int{401, 401}},
		{"hangs", (*inboxtest.Server).Hang, 29 * time.Second, []int{0}},
		{"says 429", func(s *inboxtest.Server) { s.TooMany(time.Hour) }, 59 * time.Minute, []int{429}},
		{"shows a certificate for somebody else", (*inboxtest.Server).BreakTLS, 29 * time.Second, nil},
		{"is down", (*inboxtest.Server).Down, 29 * time.Second, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				v.followed(t)
				carol := v.net.Server("elsewhere.example").Actor("carol")
				carol.Follow(alice)
				carol.Server().Wait("Accept")
				before := len(v.statuses())
				c.misbehave(v.there)
				v.publish(t)
				carol.Server().Wait("Create") // whoever misbehaves holds up nobody else
				time.Sleep(c.within)
				got := v.statuses()[before:]
				if !slices.Equal(got, c.first) {
					t.Errorf("within %v it answered %v, want %v", c.within, got, c.first)
				}
				if n := len(v.there.Received("Create")); n != 0 {
					t.Fatalf("it received %d", n)
				}
				v.there.Behave()
				time.Sleep(3 * time.Hour)
				if n := len(v.there.Received("Create")); n != 1 {
					t.Errorf("three hours after it behaved it had received %d: %v", n, v.there.Requests()[before:])
				}
			})
		})
	}
}

func TestAServerThatTakesRFC9421AloneIsSentThat(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.there.RequireRFC9421()
		v.followed(t)
		v.publish(t)
		if got := v.there.Wait("Create").Signed.Scheme; got != signature.RFC9421 {
			t.Errorf("signed with %v", got)
		}
		if got := v.bob.With(inboxtest.Manner{Ed25519: true}).Undo("Follow", alice); got != http.StatusAccepted {
			t.Errorf("signed with Ed25519: %d", got)
		}
	})
}

func TestAServerThatWantsSignaturesOrHidesIsReadWithThem(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(*inboxtest.Server){
		"401": (*inboxtest.Server).RequireSignatures, "404": (*inboxtest.Server).Hide, "Threads": (*inboxtest.Server).LikeThreads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				misbehave(v.there)
				resp, err := v.net.Client().Get(v.bob.ID())
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if want := map[bool]int{true: 401, false: 404}[name == "401"]; resp.StatusCode != want {
					t.Errorf("a stranger gets %d, want %d", resp.StatusCode, want)
				}
				v.followed(t)
				if _, err := v.Follow(t.Context(), "alice", v.bob.ID()); err != nil {
					t.Fatal(err)
				}
				v.there.Wait("Follow")
				if got := v.bob.Accept(alice); got != http.StatusAccepted {
					t.Errorf("the Accept was answered %d", got)
				}
				note := v.bob.Note("<p>hello</p>")
				if got := v.bob.Create(note); got != http.StatusAccepted {
					t.Errorf("the note was answered %d", got)
				}
				v.net.Until("the note", func() bool { return v.times("Create", note.ID) == 1 })
				v.publish(t)
				v.there.Wait("Create")
			})
		})
	}
}

func TestDocumentsThatAreNotAsTheyShouldBeAreNotBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		misbehave func(v *fediverse)
		want      error // nil: any
	}{
		{"dripping", func(v *fediverse) { v.there.Drip(100 * time.Millisecond) }, nil},
		{"nothing but silence", func(v *fediverse) { v.there.Hang() }, nil},
		{"gone", func(v *fediverse) { v.there.Gone() }, actor.ErrGone},
		{"deleted", func(v *fediverse) { v.bob.With(inboxtest.Manner{To: []string{alice}}).DeleteSelf() }, actor.ErrGone},
		{"too many requests", func(v *fediverse) { v.there.TooMany(time.Hour) }, nil},
		{"a certificate for somebody else", func(v *fediverse) { v.there.BreakTLS() }, nil},
		{"nobody", func(v *fediverse) { v.there.Down() }, nil},
		{"huge", func(v *fediverse) { v.there.Huge(8 << 20) }, nil},
		{"deep", func(v *fediverse) { v.there.Deep(5000) }, nil},
		{"of another id", func(v *fediverse) { v.there.Lie(v.bob.ID(), "https://evil.example/users/nobody") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inFediverse(t, func(t *testing.T, v *fediverse) {
				bob := v.bob.ID()
				c.misbehave(v)
				began := time.Now()
				if got, err := v.Lookup(t.Context(), bob); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("Lookup = %v, %v", got, err)
				}
				if took := time.Since(began); took > 30*time.Second {
					t.Errorf("it took %v", took)
				}
				if c.name == "deleted" {
					return
				}
				v.there.Behave()
				time.Sleep(2 * time.Hour) // longer than its silence is remembered
				if got, err := v.Lookup(t.Context(), bob); err != nil || got.ID != bob {
					t.Errorf("after it behaved: %v, %v", got, err)
				}
			})
		})
	}
}

func TestDeliveriesThatAreNotAsTheyShouldBeAreRefused(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		post := v.publish(t)
		eve := v.there.Actor("eve")
		mallory := v.net.Server("evil.example").Actor("mallory")
		for _, c := range []struct {
			name   string
			manner inboxtest.Manner
			want   int
		}{
			{"not signed", inboxtest.Manner{Unsigned: true}, 401},
			{"signed by a neighbour", inboxtest.Manner{Signer: eve}, 202}, // bob's server is asked, and knows nothing of it
			{"signed by a stranger", inboxtest.Manner{Signer: mallory}, 202},
			{"with a neighbour's key", inboxtest.Manner{ForeignKey: eve}, 401},
			{"with a stranger's key", inboxtest.Manner{ForeignKey: mallory}, 401},
			{"under an id of another server", inboxtest.Manner{ID: "https://evil.example/1"}, 403},
			{"a day late", inboxtest.Manner{Late: 24 * time.Hour}, 401},
			{"huge", inboxtest.Manner{Pad: 2 << 20}, 413},
			{"deep", inboxtest.Manner{Nest: 5000}, 400},
		} {
			if got := v.bob.With(c.manner).Like(post); got != c.want {
				t.Errorf("%s: %d, want %d", c.name, got, c.want)
			}
		}
		time.Sleep(time.Minute)
		if n := v.times("Like", post); n != 0 {
			t.Errorf("the hook ran %d times", n)
		}
		for name, m := range map[string]inboxtest.Manner{
			"seven minutes late": {Late: 7 * time.Minute}, "forwarded with a proof": {Proof: true, Signer: mallory},
			"padded": {Pad: 100 << 10}, "nested": {Nest: 5}, "to the personal inbox": {Personal: true}, "RFC 9421": {Scheme: signature.RFC9421},
		} {
			if got := v.bob.With(m).Like(post); got != http.StatusAccepted {
				t.Errorf("%s: %d", name, got)
			}
		}
		time.Sleep(time.Minute)
		if n := v.times("Like", post); n != 6 {
			t.Errorf("of 6 that are in order the hook heard %d", n)
		}
	})
}

func TestWhatIsSentAgainRunsTheHookOnce(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		post := v.publish(t)
		v.bob.Like(post)
		for range 3 {
			if got := v.bob.Replay(); got != http.StatusAccepted {
				t.Errorf("a replay was answered %d", got)
			}
		}
		time.Sleep(time.Minute)
		if n := v.times("Like", post); n != 1 {
			t.Errorf("the hook ran %d times", n)
		}
		time.Sleep(2 * time.Hour)
		if got := v.bob.Replay(); got != http.StatusUnauthorized {
			t.Errorf("two hours later it was answered %d", got)
		}
	})
}

func TestADeleteThatOvertakesItsPostWins(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		note, other := v.bob.Mention(alice, "<p>one</p>"), v.bob.Mention(alice, "<p>two</p>")
		v.there.Hold()
		for _, status := range []int{v.bob.Create(note), v.bob.Create(other), v.bob.Delete(note.ID)} {
			if status != 0 {
				t.Errorf("what is held was answered %d", status)
			}
		}
		time.Sleep(15 * time.Minute)
		if got := v.there.Release(2, 1, 0, 1); !slices.Equal(got, []int{202, 202, 202, 202}) {
			t.Errorf("answered %v", got)
		}
		v.net.Until("the other note", func() bool { return v.times("Create", other.ID) > 0 })
		time.Sleep(time.Minute)
		if n, twice := v.times("Create", note.ID), v.times("Create", other.ID); n != 0 || twice != 1 {
			t.Errorf("the deleted note was heard %d times, the other %d", n, twice)
		}
	})
}

func TestAnActorsKeyMayChange(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		post := v.publish(t)
		old := v.net.Server("evil.example").Actor("thief")
		v.bob.Like(post)
		time.Sleep(10 * time.Minute)
		v.bob.RotateKey()
		if got := v.bob.Announce(post); got != http.StatusAccepted {
			t.Errorf("with the new key: %d", got)
		}
		if got := v.bob.With(inboxtest.Manner{ForeignKey: old}).Undo("Like", post); got != http.StatusUnauthorized {
			t.Errorf("with another one: %d", got)
		}
	})
}

func TestAMoveIsHeardWhereBothSidesAgree(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		if _, err := v.Follow(t.Context(), "alice", v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		v.there.Wait("Follow")
		v.bob.Accept(alice)
		other := v.net.Server("other.example").Actor("bob")
		if got := v.bob.Move(other.ID()); got != http.StatusAccepted {
			t.Fatalf("the Move was answered %d", got)
		}
		time.Sleep(time.Hour)
		if n := v.times("Move", v.bob.ID()); n != 0 {
			t.Errorf("the hook ran %d times though the other one did not agree", n)
		}
		other.Alias(v.bob.ID())
		time.Sleep(2 * time.Hour)
		if got := v.bob.With(inboxtest.Manner{ID: v.bob.ID() + "#moved-again"}).Move(other.ID()); got != http.StatusAccepted {
			t.Fatalf("the second Move was answered %d", got)
		}
		time.Sleep(time.Minute)
		if n := v.times("Move", v.bob.ID()); n != 1 {
			t.Errorf("the hook ran %d times", n)
		}
	})
}

func TestWhoIsDeletedFollowsNobody(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.followed(t)
		if got := v.bob.DeleteSelf(); got != http.StatusAccepted {
			t.Errorf("the Delete was answered %d", got)
		}
		v.net.Until("the Delete", func() bool { return v.times("Delete", v.bob.ID()) == 1 })
		v.net.Until("nobody follows", func() bool {
			for range v.Followers(t.Context(), "alice") {
				return false
			}
			return true
		})
	})
}

func TestThreadsIsToldInTheFormThatItReads(t *testing.T) {
	t.Parallel()
	inFediverse(t, func(t *testing.T, v *fediverse) {
		v.there.LikeThreads()
		v.followed(t)
		if _, err := v.Follow(t.Context(), "alice", v.bob.ID()); err != nil {
			t.Fatal(err)
		}
		v.bob.Accept(v.there.Wait("Follow").Activity.Actor.ID)
		o := &activity.Object{Content: "<p>a</p>", Name: "b", Summary: "c"}
		if _, err := v.Publish(t.Context(), "alice", o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		var last inboxtest.Request
		for _, r := range v.there.Requests() {
			if r.Method == http.MethodPost {
				last = r
			}
		}
		if last.Status != http.StatusInternalServerError || !strings.Contains(last.Why, "HTML") || last.Signer != alice {
			t.Errorf("Threads cannot read this, but: %+v", last)
		}
	})
}
