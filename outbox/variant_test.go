package outbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/activity/html"
	"github.com/fedihook/fedihook/outbox"
)

func TestOnlyThreadsWantsThePlainForm(t *testing.T) {
	t.Parallel()
	for authority, want := range map[string]string{
		"threads.net": "plain", "www.threads.net": "plain", "THREADS.NET:443": "plain", "threads.com": "plain",
		"notthreads.net": "", "threads.net.example": "", "mastodon.example": "", "": "", "[::1]:80": "",
	} {
		if got := outbox.Form(authority); got != want {
			t.Errorf("Form(%q) = %q, want %q", authority, got, want)
		}
	}
}

func TestThePlainForm(t *testing.T) {
	t.Parallel()
	const followers = alice + "/followers"
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	article := func(o *activity.Object) {
		o.Type, o.Name, o.Content = activity.Types{"Article"}, "title", "<p>long</p>"
	}
	for _, c := range []struct {
		name   string
		object func(*activity.Object)
		want   string // the content; "" if nothing is to be changed
		text   func(string) string
	}{
		{"plain text stays", func(o *activity.Object) { o.Content = "words" }, "", html.Text},
		{"entities stay", func(o *activity.Object) { o.Content = "a &amp; b" }, "", html.Text},
		{"markup becomes text", func(o *activity.Object) { o.Content = `<p>a <a href="https://x.example/">link</a></p>` }, "a link", html.Text},
		{"what looks like markup stays text", func(o *activity.Object) { o.Content = "<p>1 &lt;b&gt; 2 &amp; 3</p>" }, "1 &lt;b&gt; 2 &amp; 3", html.Text},
		{"name and summary go before it", func(o *activity.Object) { o.Name, o.Summary, o.Content = "<n>", "<b>s</b>", "c" }, "&lt;n&gt;\n\ns\n\nc", html.Text},
		{"languages become one", func(o *activity.Object) { o.ContentMap = activity.LangMap{"de": "<p>d</p>"} }, "d", html.Text},
		{"a poll is a note", func(o *activity.Object) {
			o.Content = "which"
			o.SetPoll(activity.Poll{Options: []activity.Option{{Name: "a<b"}, {Name: "c"}}, Ends: at})
			o.URL = activity.Refs{activity.IRI("https://here.example/1")}
		}, "which\n\n○ a&lt;b\n○ c\n\nhttps://here.example/1", html.Text},
		{"a vote stays", func(o *activity.Object) { o.Name, o.InReplyTo = "a", activity.IRI("https://threads.net/poll") }, "", html.Text},
		{"without a reader of HTML markup stays", func(o *activity.Object) { o.Content = "<p>x</p>" }, "", nil},
		{"an article is completed", article, "<p>long</p>", nil},
		{"a whole article stays", func(o *activity.Object) { article(o); o.Updated, o.MediaType = at, "text/html" }, "", nil},
		{"other types stay", func(o *activity.Object) { o.Type, o.Content = activity.Types{"Event"}, "<p>x</p>" }, "", html.Text},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := &activity.Object{ID: here + "/1", Type: activity.Types{"Note"}, Published: at, To: activity.To(activity.Public), CC: activity.To(followers)}
			c.object(o)
			a := outbox.Plain("plain", activity.Create(here+"/c", o), nil, c.text)
			if c.want == "" {
				if a != nil {
					t.Fatalf("changed to %s", a.Object[0].Raw)
				}
				return
			}
			if a == nil {
				t.Fatal("not changed")
			}
			doc, err := a.Object[0].Document()
			if err != nil {
				t.Fatal(err)
			}
			got := doc.(*activity.Object)
			if got.Content != c.want || got.ID != o.ID || !got.Published.Equal(at) {
				t.Errorf("%s", a.Object[0].Raw)
			}
			if o.Is("Article") {
				if got.MediaType != "text/html" || !got.Updated.Equal(at) || got.Name != "title" {
					t.Errorf("%s", a.Object[0].Raw)
				}
				return
			}
			for _, word := range []string{`"name"`, `"summary"`, `"contentMap"`, `"oneOf"`, `"endTime"`, `votersCount`, `"Question"`} {
				if strings.Contains(string(a.Object[0].Raw), word) {
					t.Errorf("%s is left: %s", word, a.Object[0].Raw)
				}
			}
		})
	}
}

func TestPeopleAreNotInCCOfThePlainForm(t *testing.T) {
	t.Parallel()
	o := &activity.Object{
		ID: here + "/1", Type: activity.Types{"Note"}, Content: "words",
		To: activity.To(activity.Public), CC: activity.To(alice+"/followers", bob, dave),
	}
	a := outbox.Plain("plain", activity.Create(here+"/c", o), []string{bob, dave}, html.Text)
	if a == nil || !slices.Equal(a.CC.IDs(), []string{alice + "/followers"}) || !slices.Equal(a.To.IDs(), []string{activity.Public}) {
		t.Fatalf("%+v", a)
	}
	if doc, err := a.Object[0].Document(); err != nil || !slices.Equal(doc.(*activity.Object).CC.IDs(), []string{alice + "/followers"}) {
		t.Errorf("%s, %v", a.Object[0].Raw, err)
	}
	if outbox.Plain("other", activity.Create(here+"/c", o), []string{bob}, html.Text) != nil {
		t.Error("a form that is not known was written")
	}
}
