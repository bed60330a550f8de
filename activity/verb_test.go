package activity_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	alice     = "https://a.example/users/alice"
	followers = "https://a.example/users/alice/followers"
	bob       = "https://b.example/users/bob"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func aNote() *activity.Object {
	o := activity.Note("https://a.example/notes/1", alice, "<p>Hello</p>", noon)
	o.Tag = activity.List{activity.Embed(activity.Mention(bob, "bob@b.example"))}
	o.Address(activity.VisibilityPublic, followers)
	return o
}

func bobsNote() *activity.Object {
	o := activity.Note("https://b.example/notes/7", bob, "<p>Hi</p>", noon)
	o.Address(activity.VisibilityUnlisted, bob+"/followers")
	return o
}

func anActor() *activity.Actor {
	a := &activity.Actor{
		ID: alice, Type: activity.Types{activity.TypePerson}, PreferredUsername: "alice", Name: "Alice",
		URL: activity.Refs{activity.IRI("https://a.example/@alice")}, Published: noon,
		Inbox: activity.IRI(alice + "/inbox"), Outbox: activity.IRI(alice + "/outbox"),
		Followers: activity.IRI(followers), Following: activity.IRI(alice + "/following"),
		Endpoints: activity.Endpoints("https://a.example/inbox"),
		PublicKey: activity.Refs{activity.PublicKey{ID: alice + "#main-key", Owner: alice, PEM: "PEM"}.Ref()},
		Extra:     activity.Extra{"manuallyApprovesFollowers": json.RawMessage("false")},
	}
	return a
}

func TestWhatTheConstructorsMakeBreaksNobody(t *testing.T) {
	t.Parallel()
	const id = "https://a.example/activities/1"
	question := bobsNote()
	question.SetPoll(activity.Poll{Options: []activity.Option{{Name: "Cats"}, {Name: "Dogs"}}, Ends: noon.Add(time.Hour)})
	ours := aNote()
	ours.SetPoll(activity.Poll{Options: []activity.Option{{Name: "Cats", Votes: 3}}, Multiple: true, Closed: true, Voters: 2})
	quote := aNote()
	quote.SetQuote(bobsNote().ID)
	full := aNote()
	cat := activity.Image("https://a.example/media/cat.png", "image/png", "a cat")
	cat.Width, cat.Height, cat.Blurhash, cat.FocalPoint = 4, 3, "UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH", json.RawMessage("[0,0.5]")
	full.Attachment = activity.List{activity.Embed(cat)}
	full.Location = activity.Embed(activity.Place("Null Island", activity.Position{}))
	full.Tag = append(full.Tag, activity.Embed(activity.Hashtag("https://a.example/tags/x", "x")), activity.Embed(activity.Emoji("cat", "https://a.example/cat.png", "image/png")))
	full.InteractionPolicy = activity.Policy{CanQuote: &activity.Rule{Automatic: activity.To(activity.Public)}}.Ref()
	full.ReplyTo(bobsNote(), "bob@b.example")
	direct, toFollowers := aNote(), aNote()
	direct.Address(activity.VisibilityDirect, followers)
	toFollowers.Address(activity.VisibilityFollowers, followers)
	theirs := activity.Follow("https://b.example/follows/7", bob, alice)
	join := &activity.Activity{ID: "https://b.example/joins/7", Type: activity.Types{activity.TypeJoin}, Actor: activity.IRI(bob), Object: activity.Refs{activity.IRI("https://a.example/events/1")}}
	for name, a := range map[string]*activity.Activity{
		"create":           activity.Create(id, aNote()),
		"create with all":  activity.Create(id, full),
		"direct":           activity.Create(id, direct),
		"to followers":     activity.Create(id, toFollowers),
		"a poll":           activity.Create(id, ours),
		"a quote":          activity.Create(id, quote),
		"vote":             activity.Create(id, activity.Vote("https://a.example/votes/1", alice, "Dogs", question)),
		"update":           activity.Update(id, aNote(), noon),
		"tally":            activity.Update(id, ours, time.Time{}),
		"update actor":     activity.UpdateActor(id, anActor(), noon),
		"delete":           activity.Delete(id, aNote(), noon),
		"delete actor":     activity.DeleteActor(id, alice),
		"follow":           activity.Follow(id, alice, bob),
		"accept":           activity.Accept(id, alice, theirs),
		"reject":           activity.Reject(id, alice, theirs),
		"accept a quote":   activity.Accept(id, alice, activity.QuoteRequest("https://b.example/quotes/7", bobsNote(), aNote())),
		"accept a guest":   activity.Accept(id, alice, join),
		"ask for a quote":  activity.QuoteRequest(id, quote, bobsNote()),
		"undo a follow":    activity.Undo(id, activity.Follow("https://a.example/follows/1", alice, bob)),
		"undo a like":      activity.Undo(id, activity.Like("https://a.example/likes/1", alice, bobsNote())),
		"undo an announce": activity.Undo(id, activity.Announce("https://a.example/boosts/1", alice, followers, bobsNote(), noon)),
		"undo a block":     activity.Undo(id, activity.Block("https://a.example/blocks/1", alice, bob)),
		"like":             activity.Like(id, alice, bobsNote()),
		"react":            activity.React(id, alice, bobsNote(), "🎉", nil),
		"announce":         activity.Announce(id, alice, followers, bobsNote(), noon),
		"move":             activity.Move(id, anActor(), "https://c.example/users/alice"),
		"flag":             activity.Flag(id, alice, "spam", bob, bobsNote().ID),
		"block":            activity.Block(id, alice, bob),
	} {
		for _, p := range activity.Check(a) {
			t.Errorf("%s: %v", name, p)
		}
		if a.ID != id || len(a.Type) != 1 || a.Actor.ID != alice || a.Actor.Raw != nil || len(a.Object) == 0 || a.Object.First() == "" {
			t.Errorf("%s: %+v", name, a)
		}
		mustRoundTrip(t, mustMarshal(t, a))
	}
	for name, d := range map[string]activity.Document{
		"note": aNote(), "note with all": full, "poll": ours, "actor": anActor(),
		"stamp": activity.QuoteAuthorization(id, alice, bobsNote().ID, aNote().ID), "tombstone": activity.Tombstone(id, activity.TypeNote, noon),
	} {
		for _, p := range activity.Check(d) {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestAnActivityIsForWhomItsObjectIsFor(t *testing.T) {
	t.Parallel()
	note := aNote()
	note.Audience = activity.Refs{activity.IRI("https://c.example/groups/cats")}
	note.BCC = activity.To("https://d.example/users/dan")
	for _, a := range []*activity.Activity{
		activity.Create("https://a.example/1", note), activity.Update("https://a.example/1", note, noon), activity.Delete("https://a.example/1", note, noon),
	} {
		if got, want := strings.Join(a.Recipients(), " "), strings.Join(note.Recipients(), " "); got != want || len(a.Recipients()) != 5 {
			t.Errorf("%v is for %s, want %s", a.Type, got, want)
		}
		a.To[0] = activity.IRI("https://x.example/")
		if note.To[0].ID != activity.Public {
			t.Errorf("%v shares its list with the note", a.Type)
		}
		if b := mustEncode(t, a); strings.Contains(string(b), "d.example") {
			t.Errorf("a blind copy is in %s", b)
		}
	}
}

func TestAnEditIsNewerAndNewsAreNot(t *testing.T) {
	t.Parallel()
	note := aNote()
	later := noon.Add(time.Hour)
	edit := activity.Update("https://a.example/1", note, later)
	if inner, err := edit.Object[0].Document(); err != nil || !inner.(*activity.Object).Updated.Equal(later) || !note.Updated.Equal(later) {
		t.Errorf("%s, %v", edit.Object[0].Raw, err)
	}
	news := activity.Update("https://a.example/2", note, time.Time{})
	if inner, err := news.Object[0].Document(); err != nil || !inner.(*activity.Object).Updated.Equal(later) || !news.Updated.IsZero() {
		t.Errorf("%s, %v", news.Object[0].Raw, err)
	}
}

func TestAnAnswerShowsTheRequestWithoutItsParticipants(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, []byte(`{"@context":"x:y","id":"https://b.example/f","type":"Follow","actor":{"id":"`+bob+`","type":"Person"},"object":[{"id":"`+alice+`"}],"signature":{"x":1}}`))
	for _, a := range []*activity.Activity{
		activity.Accept("https://a.example/1", alice, d.(*activity.Activity)), activity.Reject("https://a.example/1", alice, d.(*activity.Activity)),
		activity.Undo("https://a.example/1", d.(*activity.Activity)),
	} {
		if got, want := string(a.Object[0].Raw), `{"id":"https://b.example/f","type":"Follow","actor":"`+bob+`","object":"`+alice+`"}`; got != want {
			t.Errorf("%v: %s, want %s", a.Type, got, want)
		}
	}
	if raw := d.(*activity.Activity).Object[0].Raw; raw == nil {
		t.Error("the request itself was changed")
	}
}

func TestAnUndoGoesWhereTheActivityWent(t *testing.T) {
	t.Parallel()
	bare := &activity.Activity{ID: "https://a.example/f", Type: activity.Types{activity.TypeFollow}, Actor: activity.IRI(alice), Object: activity.Refs{activity.IRI(bob)}}
	if got := activity.Undo("https://a.example/u", bare).To.IDs(); len(got) != 1 || got[0] != bob {
		t.Errorf("the Undo of a Follow for nobody is for %v", got)
	}
	boost := activity.Announce("https://a.example/b", alice, followers, bobsNote(), noon)
	undo := activity.Undo("https://a.example/u", boost)
	if got, want := strings.Join(undo.Recipients(), " "), strings.Join(boost.Recipients(), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAReactionIsALikeWithAnEmoji(t *testing.T) {
	t.Parallel()
	a := activity.React("https://a.example/1", alice, bobsNote(), ":party:", activity.Emoji(":party:", "https://a.example/p.png", "image/png"))
	if !a.Is(activity.TypeLike) || a.Content != ":party:" || a.MisskeyReaction != ":party:" || len(a.Tag) != 1 || a.To.IDs()[0] != bob {
		t.Errorf("%+v", a)
	}
	if b := mustMarshal(t, a); strings.Count(string(b), `"name":":party:"`) != 1 {
		t.Errorf("%s", b)
	}
}

func TestAMoveIsToldByTheOldActor(t *testing.T) {
	t.Parallel()
	old := anActor()
	a := activity.Move("https://a.example/1", old, "https://c.example/users/alice")
	if a.Actor.ID != alice || a.Object.First() != alice || a.Target.ID != "https://c.example/users/alice" || old.MovedTo.ID != a.Target.ID || !a.IsFor(followers) {
		t.Errorf("%+v", a)
	}
}

func TestNobodyIsAddressedByAnEmptyID(t *testing.T) {
	t.Parallel()
	for _, a := range []*activity.Activity{
		activity.Announce("", alice, "", &activity.Object{ID: "https://b.example/1"}, noon), activity.Like("", alice, &activity.Object{}),
		activity.Move("", &activity.Actor{}, ""), activity.Follow("", alice, ""), activity.Create("", &activity.Object{}),
	} {
		for _, r := range append(append(activity.Audience{}, a.To...), a.CC...) {
			if r.ID == "" {
				t.Errorf("%v: %+v", a.Type, a)
			}
		}
	}
}
