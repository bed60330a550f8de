package activity_test

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestAnArticleHasANoteThatStandsForIt(t *testing.T) {
	t.Parallel()
	const id = "https://blog.example/posts/1?a=1&b=2"
	o := activity.Article(id, "https://blog.example/ada", "Tea & <toast>", "<p>Long.</p>", "All about <it>.", time.Unix(1000, 0).UTC())
	o.AddHashtags("https://blog.example/tags/", "tea", "#green tea")
	o.Address(activity.VisibilityPublic, "https://blog.example/ada/followers")
	if problems := activity.Check(o); len(problems) > 0 {
		t.Errorf("it would break: %v", problems)
	}
	b, err := activity.Encode(o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := activity.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got := d.(*activity.Object)
	preview, err := got.Preview.Document()
	if err != nil {
		t.Fatal(err)
	}
	note := preview.(*activity.Object)
	const want = `<p><strong>Tea &amp; &lt;toast&gt;</strong></p><p>All about &lt;it&gt;.</p><p><a href="https://blog.example/posts/1?a=1&amp;b=2">https://blog.example/posts/1?a=1&amp;b=2</a></p>`
	if !got.Is("Article") || got.Name != "Tea & <toast>" || got.Summary != "<p>All about &lt;it&gt;.</p>" || got.Content != "<p>Long.</p>" || got.URL.First() != id {
		t.Errorf("it is %s", b)
	}
	if !note.Is("Note") || note.Content != want || note.AttributedTo.First() != "https://blog.example/ada" || !note.Published.Equal(got.Published) {
		t.Errorf("its Note is %+v", note)
	}
	var tags []string
	for _, r := range got.Tag {
		tag, err := r.Document()
		if err != nil {
			t.Fatal(err)
		}
		link := tag.(*activity.Link)
		tags = append(tags, link.Name+" "+link.Href)
	}
	if len(tags) != 2 || tags[0] != "#tea https://blog.example/tags/tea" || tags[1] != "#green tea https://blog.example/tags/green%20tea" {
		t.Errorf("its tags are %q", tags)
	}
	if o := activity.Article("", "https://blog.example/ada", "T", "x", "", time.Time{}); o.Summary != "" || len(o.URL) != 0 {
		t.Errorf("without id and teaser it is %+v", o)
	}
}
