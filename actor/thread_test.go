package actor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// post writes a note of a thread, with members on top.
func post(id, more string) string {
	host := id[:strings.Index(id[8:], "/")+8]
	if more != "" {
		more = "," + more
	}
	return `{"id":"` + id + `","type":"Note","attributedTo":"` + host + `/u"` + more + `}`
}

func collectionOf(id string, items ...string) string {
	return `{"id":"` + id + `","type":"Collection","items":[` + strings.Join(items, ",") + `]}`
}

func quoted(ids ...string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = `"` + id + `"`
	}
	return out
}

func threadOf(ctx context.Context, r *actor.Resolver, id string) (posts []string, errs []error) {
	for o, err := range r.Thread(ctx, id, actor.Caps{}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		posts = append(posts, strings.TrimPrefix(strings.TrimPrefix(o.ID, "https://"), "b.test"))
	}
	return posts, errs
}

const here = "https://b.test"

func TestAThreadIsCompletedByItsReplies(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().
		json("/1", post(here+"/1", `"replies":"`+here+`/1/replies"`)).
		json("/1/replies", collectionOf(here+"/1/replies", quoted(here+"/2", here+"/3", "https://c.test/4", here+"/gone")...)).
		json("/2", post(here+"/2", `"inReplyTo":"`+here+`/1","replies":{"type":"Collection","first":{"type":"CollectionPage","items":["`+here+`/5","`+here+`/1"]}}`)).
		json("/3", post(here+"/3", `"inReplyTo":"`+here+`/1","replies":"https://c.test/replies"`)).
		json("/5", post(here+"/5", `"inReplyTo":"`+here+`/2"`)).
		put("/gone", page{status: 410}))
	w.set("c.test", newPages().
		json("/4", post("https://c.test/4", `"replies":"https://c.test/4/replies"`)).
		json("/4/replies", collectionOf("https://c.test/4/replies", quoted("https://c.test/6", here+"/5")...)).
		json("/6", post("https://c.test/6", "")).
		json("/replies", collectionOf("https://c.test/replies", quoted("https://c.test/lie")...)))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	posts, errs := threadOf(t.Context(), r, here+"/5")
	want := []string{"/1", "/2", "/5", "/3", "c.test/4", "c.test/6"}
	if slices.Sort(want); true {
		sorted := slices.Clone(posts)
		slices.Sort(sorted)
		if !slices.Equal(sorted, want) {
			t.Errorf("got %q, want %q", posts, want)
		}
	}
	if !slices.Equal(posts[:3], []string{"/1", "/2", "/5"}) {
		t.Errorf("what was answered does not come first: %q", posts)
	}
	if len(errs) != 1 || !errors.Is(errs[0], actor.ErrGone) {
		t.Errorf("errors %v", errs)
	}
	if w.count("https://c.test/lie") != 0 || w.count("https://c.test/replies") != 0 {
		t.Error("replies on another host than the post's were read")
	}
}

func TestAThreadWithACollectionIsReadFromIt(t *testing.T) {
	t.Parallel()
	context := `"context":"` + here + `/ctx"`
	w := newWeb()
	w.set("b.test", newPages().
		json("/1", post(here+"/1", context+`,"replies":"`+here+`/1/replies"`)).
		json("/ctx", collectionOf(here+"/ctx",
			`"`+here+`/1"`,
			post(here+"/embedded", context),
			`{"id":"`+here+`/create","type":"Create","actor":"`+here+`/u","object":`+post(here+"/made", context)+`}`,
			`{"id":"`+here+`/like","type":"Like","actor":"`+here+`/u","object":"`+here+`/liked"}`,
			`{"id":"https://c.test/3","type":"Note","attributedTo":"https://c.test/u","content":"words put into its mouth"}`,
			`{"id":"`+here+`/wrong","type":"Note","attributedTo":"https://c.test/u"}`,
		)).
		json("/wrong", post(here+"/wrong", `"content":"as it is"`)))
	w.set("c.test", newPages().json("/3", post("https://c.test/3", `"content":"its own words"`)))
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	var posts []string
	for o, err := range r.Thread(t.Context(), here+"/1", actor.Caps{}) {
		if err != nil {
			t.Fatal(err)
		}
		posts = append(posts, o.ID)
		if o.ID == "https://c.test/3" && o.Content != "its own words" || o.ID == here+"/wrong" && o.Content != "as it is" {
			t.Errorf("%s says %q", o.ID, o.Content)
		}
	}
	if want := []string{here + "/1", here + "/embedded", here + "/made", "https://c.test/3", here + "/wrong"}; !slices.Equal(posts, want) {
		t.Errorf("got %q, want %q", posts, want)
	}
	if w.count(here+"/1/replies") != 0 || w.count(here+"/embedded") != 0 || w.count(here+"/liked") != 0 {
		t.Error("more was asked for than there was to know")
	}
}

func TestAThreadWithoutEndEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	// Each post has two replies, for ever, and is itself an answer to another.
	web := &everywhere{}
	web.doc = func(r *http.Request) string {
		id := "https://" + r.URL.Host + r.URL.Path
		if strings.HasSuffix(id, "/replies") {
			base := strings.TrimSuffix(id, "/replies")
			return collectionOf(id, quoted(base+"a", base+"b")...)
		}
		return post(id, `"inReplyTo":"`+id+`x","replies":"`+id+`/replies"`)
	}
	for name, c := range map[string]struct {
		budget  *actor.Budget
		atMost  int64
		spent   bool
		atLeast int
	}{
		"the default":   {nil, 50, true, 20},
		"a small one":   {&actor.Budget{Requests: 10}, 10, true, 5},
		"a shallow one": {&actor.Budget{Requests: 1000, Depth: 2}, 30, false, 10},
	} {
		t.Run(name, func(t *testing.T) {
			web := &everywhere{doc: web.doc}
			r := resolver(t, actor.ResolverConfig{Client: &http.Client{Transport: web}})
			if c.budget != nil {
				r = r.Within(c.budget)
			}
			posts, errs := threadOf(t.Context(), r, here+"/1")
			if n := web.asked.Load(); n > c.atMost || len(posts) < c.atLeast {
				t.Errorf("%d requests for %d posts", n, len(posts))
			}
			if ended := len(errs) == 1 && errors.Is(errs[0], actor.ErrBudget); ended != c.spent || len(errs) > 1 {
				t.Errorf("errors %v", errs)
			}
		})
	}
}

func TestAThreadThatBitesItsTailEnds(t *testing.T) {
	t.Parallel()
	w := newWeb()
	site := newPages()
	for i := range 3 {
		id := fmt.Sprintf("%s/%d", here, i)
		site.json(fmt.Sprintf("/%d", i), post(id, fmt.Sprintf(`"inReplyTo":"%s/%d","replies":"%s/r"`, here, (i+1)%3, here)))
	}
	site.json("/r", collectionOf(here+"/r", quoted(here+"/0", here+"/1", here+"/2")...))
	w.set("b.test", site)
	r := resolver(t, actor.ResolverConfig{Client: w.client()})
	posts, errs := threadOf(t.Context(), r, here+"/0")
	if len(posts) != 3 || len(errs) != 0 {
		t.Errorf("%q, %v", posts, errs)
	}
	for range r.Thread(t.Context(), here+"/0", actor.Caps{}) {
		break // leaving is no fault
	}
}

func TestRepliesAreThoseThatThePostsServerLists(t *testing.T) {
	t.Parallel()
	w := newWeb()
	w.set("b.test", newPages().
		json("/1", post(here+"/1", `"replies":"`+here+`/1/replies"`)).
		json("/1/replies", collectionOf(here+"/1/replies", quoted(here+"/2", here+"/1", here+"/none", "https://a.test/ap/objects/9")...)).
		json("/2", post(here+"/2", `"replies":"`+here+`/2/replies"`)))
	r := resolver(t, actor.ResolverConfig{Client: w.client(), Names: actor.Names{Origin: "https://a.test"}})
	var got []*activity.Object
	var errs int
	for o, err := range r.Replies(t.Context(), here+"/1", actor.Caps{}) {
		if err != nil {
			errs++
			continue
		}
		got = append(got, o)
	}
	if len(got) != 1 || got[0].ID != here+"/2" || errs != 1 || w.count(here+"/2/replies") != 0 {
		t.Errorf("%v with %d errors", got, errs)
	}
}
