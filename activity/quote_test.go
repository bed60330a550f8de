package activity_test

import (
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

func TestWhatIsQuotedIsFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	const link = `"tag":[5,"x:y",{"type":"Mention","href":"https://x.example/"},{"type":"Link","rel":["x","https://misskey-hub.net/ns#_misskey_quote"],"href":"https://q.example/1"}]`
	for name, json := range map[string]string{
		"FEP-044f":              `"quote":"https://q.example/1","quoteUrl":"https://x.example/"`,
		"FEP-044f, a tombstone": `"quote":{"id":"https://q.example/1","type":"Tombstone"}`,
		"Misskey":               `"_misskey_quote":"https://q.example/1","quoteUri":"https://x.example/"`,
		"Pleroma":               `"quoteUrl":"https://q.example/1"`,
		"Akkoma":                `"quoteUri":"https://q.example/1"`,
		"Threads":               link,
		"not by null":           `"quote":null,` + link,
	} {
		o := mustDecode(t, []byte(`{"type":"Note",`+json+`}`)).(*activity.Object)
		if got := o.Quoted(); got != "https://q.example/1" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, json := range map[string]string{
		"a link to something": `"tag":[{"type":"Link","href":"https://x.example/"}]`,
		"a mention":           `"tag":[{"type":"Mention","rel":"https://misskey-hub.net/ns#_misskey_quote","href":"https://x.example/"}]`,
		"the 101st tag":       `"tag":[` + strings.Repeat(`"x:y",`, 100) + `{"type":"Link","rel":"https://misskey-hub.net/ns#_misskey_quote","href":"https://x.example/"}]`,
		"nothing":             `"tag":[]`,
	} {
		o := mustDecode(t, []byte(`{"type":"Note",`+json+`}`)).(*activity.Object)
		if got := o.Quoted(); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAQuoteReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	o := aNote()
	tags := o.Tag
	o.SetQuote("https://b.example/1")
	o.SetQuote("https://b.example/2")
	if o.Quoted() != "https://b.example/2" || len(o.Tag) != 2 || len(o.Mentions()) != 1 || len(tags) != 1 {
		t.Errorf("%+v", o.Tag)
	}
	if b := string(mustMarshal(t, o)); strings.Contains(b, "https://b.example/1") || strings.Count(b, `"https://b.example/2"`) != 5 {
		t.Errorf("%s", b)
	}
}

func TestMarkupCannotBeBrokenOutOf(t *testing.T) {
	t.Parallel()
	const evil = `"><script>`
	for _, got := range []string{
		activity.MentionHTML("https://a.example/"+evil, evil+"@b.example"), activity.HashtagHTML(evil, "#"+evil), activity.QuoteHTML(evil),
	} {
		if strings.Contains(got, "<script") || strings.Contains(got, `""`) || !strings.Contains(got, "&lt;script&gt;") {
			t.Errorf("%s", got)
		}
	}
	for handle, want := range map[string]string{"@bob@b.example": "@<span>bob</span>", "bob@b.example": "@<span>bob</span>", "bob": "@<span>bob</span>"} {
		if got := activity.MentionHTML(bob, handle); !strings.Contains(got, want) {
			t.Errorf("%q: %s", handle, got)
		}
	}
}

func TestAPolicyIsReadInBothGenerations(t *testing.T) {
	t.Parallel()
	const json = `{"type":"Note","interactionPolicy":{
		"canLike":{"always":["as:Public"],"approvalRequired":[]},
		"canReply":{"automaticApproval":"` + followers + `","always":["https://x.example/"],"manualApproval":["` + activity.Public + `"]},
		"canAnnounce":"nonsense","canQuote":null}}`
	p := mustDecode(t, []byte(json)).(*activity.Object).Policy()
	if p.CanLike == nil || !p.CanLike.Automatic.Has(activity.Public) || len(p.CanLike.Manual) != 0 {
		t.Errorf("canLike: %+v", p.CanLike)
	}
	if p.CanReply == nil || !p.CanReply.Automatic.Has(followers) || len(p.CanReply.Automatic) != 1 || !p.CanReply.Manual.Has("Public") {
		t.Errorf("canReply: %+v", p.CanReply)
	}
	if p.CanAnnounce != nil || p.CanQuote != nil || p.CanFeature != nil {
		t.Errorf("%+v", p)
	}
	if got := string(p.Ref().Raw); got != `{"canLike":{"always":["`+activity.Public+`"],"approvalRequired":[],"automaticApproval":["`+activity.Public+`"],"manualApproval":[]},`+
		`"canReply":{"always":["`+followers+`"],"approvalRequired":["`+activity.Public+`"],"automaticApproval":["`+followers+`"],"manualApproval":["`+activity.Public+`"]}}` {
		t.Errorf("written as %s", got)
	}
	for _, d := range []string{`{"type":"Person"}`, `{"type":"Person","interactionPolicy":"https://a.example/policy"}`, `{"type":"Person","interactionPolicy":5}`} {
		if p := mustDecode(t, []byte(d)).(*activity.Actor).Policy(); p != (activity.Policy{}) {
			t.Errorf("%s: %+v", d, p)
		}
	}
	broken := activity.Policy{CanLike: &activity.Rule{Automatic: activity.To("\xff")}}
	if _, err := activity.Encode(&activity.Object{InteractionPolicy: broken.Ref()}); err == nil {
		t.Error("what can't be written was left out in silence")
	}
}
