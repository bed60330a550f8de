package consent_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/consent"
)

const (
	ada       = "https://a.example/users/ada"
	followers = ada + "/followers"
	following = ada + "/following"
	bob       = "https://b.example/users/bob"
	public    = `"https://www.w3.org/ns/activitystreams#Public"`
)

// post is one of ada's with a policy, to everyone unless to says otherwise.
func post(t *testing.T, policy, to, more string) *activity.Object {
	t.Helper()
	if to == "" {
		to = public
	}
	doc, err := activity.Decode([]byte(`{"type":"Note","id":"https://a.example/1","attributedTo":"` + ada + `","to":[` + to + `]` + policy + more + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(*activity.Object)
}

func TestAPolicyDecidesForOneActor(t *testing.T) {
	t.Parallel()
	sub := func(name, lists string) string { return `,"interactionPolicy":{"` + name + `":{` + lists + `}}` }
	const q, r, l, a = consent.Quote, consent.Reply, consent.Like, consent.Announce
	for _, c := range []struct {
		name, policy, to, more string
		kind                   consent.Kind
		actor                  string // bob's if empty
		follows, isFollowed    bool
		want                   consent.Decision
	}{
		{name: "nobody may quote what says nothing", kind: q, want: consent.Denied},
		{name: "nobody may quote where only likes are spoken of", policy: sub("canLike", `"always":`+public), kind: q, want: consent.Denied},
		{name: "nobody may quote by an empty rule", policy: sub("canQuote", ``), kind: q, want: consent.Denied},
		{name: "nobody may quote by empty lists", policy: sub("canQuote", `"automaticApproval":[],"manualApproval":[]`), kind: q, want: consent.Denied},
		{name: "everyone may answer what says nothing", kind: r, want: consent.Automatic},
		{name: "everyone may like what says nothing", kind: l, want: consent.Automatic},
		{name: "everyone may share what says nothing", kind: a, want: consent.Automatic},
		{name: "everyone may like by an empty rule", policy: sub("canLike", `"always":[]`), kind: l, want: consent.Automatic},
		{name: "a policy that is null is none", policy: `,"interactionPolicy":null`, kind: r, want: consent.Automatic},
		{name: "a policy that is an address is none", policy: `,"interactionPolicy":"https://a.example/p"`, kind: q, want: consent.Denied},

		{name: "everyone may quote", policy: sub("canQuote", `"automaticApproval":`+public), kind: q, want: consent.Automatic},
		{name: "everyone may quote by the short name", policy: sub("canQuote", `"automaticApproval":["as:Public"]`), kind: q, want: consent.Automatic},
		{name: "everyone may ask to quote", policy: sub("canQuote", `"manualApproval":[`+public+`]`), kind: q, want: consent.Manual},
		{name: "followers may quote", policy: sub("canQuote", `"automaticApproval":["`+followers+`"]`), kind: q, follows: true, want: consent.Automatic},
		{name: "who does not follow may not", policy: sub("canQuote", `"automaticApproval":["`+followers+`"]`), kind: q, isFollowed: true, want: consent.Denied},
		{name: "the word stands for followers", policy: sub("canQuote", `"automaticApproval":"followers"`), kind: q, follows: true, want: consent.Automatic},
		{name: "who is followed may quote", policy: sub("canQuote", `"automaticApproval":["`+following+`"]`), kind: q, isFollowed: true, want: consent.Automatic},
		{name: "who is not followed may not", policy: sub("canQuote", `"automaticApproval":["`+following+`"]`), kind: q, follows: true, want: consent.Denied},
		{name: "followers at once and all others after asking", policy: sub("canQuote", `"automaticApproval":"`+followers+`","manualApproval":`+public), kind: q, want: consent.Manual},
		{name: "nobody is the author alone", policy: sub("canQuote", `"automaticApproval":"`+ada+`"`), kind: q, want: consent.Denied},
		{name: "the author may though", policy: sub("canQuote", `"automaticApproval":"`+bob+`"`), kind: q, actor: ada, want: consent.Automatic},
		{name: "the author may quote what says nothing", kind: q, actor: ada, want: consent.Automatic},
		{name: "who is listed may quote", policy: sub("canQuote", `"automaticApproval":["`+ada+`","`+bob+`"]`), kind: q, want: consent.Automatic},
		{name: "a longer name is another", policy: sub("canQuote", `"automaticApproval":["`+bob+`by"]`), kind: q, want: consent.Denied},
		{name: "nobody quotes what is for followers", policy: sub("canQuote", `"automaticApproval":`+public), to: `"` + followers + `"`, kind: q, follows: true, want: consent.Denied},
		{name: "nobody quotes what is for one", policy: sub("canQuote", `"automaticApproval":`+public), to: `"` + bob + `"`, kind: q, want: consent.Denied},
		{name: "what is unlisted may be quoted", policy: sub("canQuote", `"automaticApproval":`+public), to: `"` + followers + `"`, more: `,"cc":[` + public + `]`, kind: q, want: consent.Automatic},

		{name: "who is listed has to ask though everyone need not", policy: sub("canReply", `"automaticApproval":`+public+`,"manualApproval":"`+bob+`"`), kind: r, want: consent.Manual},
		{name: "who is listed need not ask though everyone has to", policy: sub("canReply", `"always":"`+bob+`","approvalRequired":`+public), kind: r, want: consent.Automatic},
		{name: "followers have to ask though everyone need not", policy: sub("canReply", `"automaticApproval":`+public+`,"manualApproval":"`+followers+`"`), kind: r, follows: true, want: consent.Manual},
		{name: "of two equal entries the generous one counts", policy: sub("canReply", `"automaticApproval":`+public+`,"manualApproval":`+public), kind: r, want: consent.Automatic},
		{name: "who is mentioned may answer", policy: sub("canReply", `"always":"`+ada+`"`), more: `,"tag":{"type":"Mention","href":"` + bob + `"}`, kind: r, want: consent.Automatic},
		{name: "who is mentioned may not therefore share", policy: sub("canAnnounce", `"always":"`+ada+`"`), more: `,"tag":{"type":"Mention","href":"` + bob + `"}`, kind: a, want: consent.Denied},
		{name: "the old names say who may like", policy: sub("canLike", `"approvalRequired":["`+followers+`"]`), kind: l, follows: true, want: consent.Manual},
		{name: "the new names win over the old", policy: sub("canLike", `"always":`+public+`,"automaticApproval":"`+ada+`"`), kind: l, want: consent.Denied},
		{name: "what has no kind is denied", kind: 0, want: consent.Denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q := consent.Question{
				Kind: c.kind, Post: post(t, c.policy, c.to, c.more), Author: ada, Followers: followers, Following: following, Actor: c.actor,
				Follows: c.follows, IsFollowed: c.isFollowed,
			}
			if q.Actor == "" {
				q.Actor = bob
			}
			if got := consent.Decide(q); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	if got := consent.Decide(consent.Question{Kind: l, Actor: bob, Author: ada}); got != consent.Denied {
		t.Errorf("of no post: %v", got)
	}
	if got := consent.Decide(consent.Question{Kind: l, Post: post(t, "", "", ""), Author: ada}); got != consent.Denied {
		t.Errorf("of nobody: %v", got)
	}
}

func TestEachKindHasItsWords(t *testing.T) {
	t.Parallel()
	for k := consent.Quote; k <= consent.Announce; k++ {
		if got, ok := consent.KindOf(k.Request()); !ok || got != k {
			t.Errorf("KindOf(%s) = %v", k.Request(), got)
		}
		if got, ok := consent.KindOfAuthorization(activity.Types{k.Authorization()}); !ok || got != k {
			t.Errorf("KindOfAuthorization(%s) = %v", k.Authorization(), got)
		}
		if !strings.EqualFold(k.String()+"Request", k.Request()) || !strings.EqualFold(k.Property(), k.Authorization()) {
			t.Errorf("%v asks with %s and gets %s in %s", k, k.Request(), k.Authorization(), k.Property())
		}
		old := strings.Replace(k.Authorization(), "Authorization", "Approval", 1)
		if got := k.Gives(activity.Types{old}); got != (k != consent.Quote) {
			t.Errorf("%s gives leave: %v", old, got)
		}
		for other := consent.Quote; other <= consent.Announce; other++ {
			if other != k && k.Gives(activity.Types{other.Authorization()}) {
				t.Errorf("%s gives leave to %v", other.Authorization(), k)
			}
		}
	}
	for _, none := range []string{"", "Like", "QuoteAuthorization"} {
		if k, ok := consent.KindOf(none); ok {
			t.Errorf("KindOf(%q) = %v", none, k)
		}
	}
	if consent.Kind(0).Gives(activity.Types{""}) || consent.Kind(0).Gives(nil) {
		t.Error("no kind gives leave")
	}
}

func TestTheDocumentHoldsIDsAlone(t *testing.T) {
	t.Parallel()
	st := consent.Stamp{Kind: consent.Reply, ID: "https://a.example/s", Author: ada, Interaction: "https://b.example/1", Target: "https://a.example/1"}
	old := st.Document()
	if !old.Is("ReplyApproval") || old.Object.First() != st.Interaction || old.Target.ID != st.Target || !st.Kind.Gives(old.Type) {
		t.Errorf("in the older words %+v", old)
	}
	st.Request = "https://b.example/ask"
	o := st.Document()
	if !o.Is("ReplyAuthorization") || o.AttributedTo.First() != ada || o.InteractingObject.Raw != nil || o.InteractionTarget.Raw != nil ||
		o.InteractingObject.ID != st.Interaction || o.InteractionTarget.ID != st.Target || !o.Target.IsZero() {
		t.Errorf("%+v", o)
	}
}

// What no list names is never allowed, and more entries in the automatic list never allow less.
func FuzzDecide(f *testing.F) {
	f.Add(`{"canQuote":{"automaticApproval":["https://www.w3.org/ns/activitystreams#Public"]}}`, uint8(1), true, false)
	f.Add(`{"canReply":{"always":"`+followers+`","approvalRequired":["as:Public"]}}`, uint8(2), true, true)
	f.Add(`{"canLike":null,"canAnnounce":{"manualApproval":{}}}`, uint8(4), false, true)
	f.Fuzz(func(t *testing.T, policy string, kind uint8, follows, isFollowed bool) {
		doc, err := activity.Decode([]byte(`{"type":"Note","to":[` + public + `],"interactionPolicy":` + policy + `}`))
		if err != nil {
			return
		}
		o, ok := doc.(*activity.Object)
		if !ok || len(o.Recipients()) != 1 { // the input closed the object
			return
		}
		q := consent.Question{
			Kind: consent.Kind(kind%4 + 1), Post: o, Author: ada, Followers: followers, Following: following, Actor: bob,
			Follows: follows, IsFollowed: isFollowed,
		}
		got := consent.Decide(q)
		named := false
		for _, word := range []string{"Public", "ollow", "bob", `\u`} {
			named = named || strings.Contains(policy, word)
		}
		if q.Kind == consent.Quote && got != consent.Denied && !named {
			t.Errorf("%s lets bob quote: %v", policy, got)
		}
		mine := q
		if mine.Actor = ada; consent.Decide(mine) != consent.Automatic {
			t.Errorf("%s stops the author", policy)
		}
		rule := q.Kind.Rule(o.Policy())
		if rule == nil {
			return
		}
		p := o.Policy()
		more := q.Kind.Rule(p)
		more.Automatic = append(more.Automatic, activity.IRI(bob))
		generous := *o
		generous.InteractionPolicy = p.Ref()
		q.Post = &generous
		if consent.Decide(q) != consent.Automatic && len(rule.Automatic) < 1000 {
			t.Errorf("%s with bob in it is %v", policy, consent.Decide(q))
		}
	})
}
