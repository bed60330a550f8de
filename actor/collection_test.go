package actor_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// askCollection reads a collection, or fails unless the answer has the wanted status.
func askCollection(t *testing.T, h http.Handler, url string, header map[string]string, status int) *activity.Collection {
	t.Helper()
	with := map[string]string{"Accept": activity.ContentType}
	for k, v := range header {
		with[k] = v
	}
	rec := get(h, url, with)
	if rec.Code != status {
		t.Fatalf("%s: %d, want %d: %s", url, rec.Code, status, rec.Body)
	}
	if status != 200 {
		return nil
	}
	doc, err := activity.Decode(rec.Body.Bytes())
	c, ok := doc.(*activity.Collection)
	if err != nil || !ok {
		t.Fatalf("%s: %v %s", url, err, rec.Body)
	}
	return c
}

func fixed(p actor.Page) actor.Source {
	return func(context.Context, actor.Query) (actor.Page, error) { return p, nil }
}

func public(_ context.Context, id, _ string) (activity.Document, error) {
	return &activity.Object{ID: id, Type: activity.Types{"Note"}}, nil
}

func TestEachCollectionHasTheShapeThatServersRead(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Object = public
	two := fixed(actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/1"), activity.IRI("https://b.test/2")}, Total: 2})
	h.Collections = actor.Collections{Outbox: two, Followers: two, Following: two, Liked: two, Featured: two, FeaturedTags: two, Replies: two, Likes: two, Shares: two}
	for _, c := range []struct {
		path    string
		ordered bool
		whole   bool // as Mastodon reads it: without pages
	}{
		{"/ap/users/alice/outbox", true, false}, {"/ap/users/alice/followers", true, false}, {"/ap/users/alice/following", true, false},
		{"/ap/users/alice/liked", true, false}, {"/ap/users/alice/featured", true, true}, {"/ap/users/alice/tags", false, true},
		{"/ap/objects/1/replies", false, false}, {"/ap/objects/1/likes", false, false}, {"/ap/objects/1/shares", false, false},
		{"/ap/actor/outbox", true, false},
	} {
		id := "https://a.test" + c.path
		whole, page := askCollection(t, mux, id, nil, 200), askCollection(t, mux, id+"?page=true", nil, 200)
		kind, items, pageItems := "Collection", whole.Items, page.Items
		if c.ordered {
			kind, items, pageItems = "OrderedCollection", whole.OrderedItems, page.OrderedItems
		}
		if !whole.Is(kind) || whole.ID != id || whole.TotalItems == nil || *whole.TotalItems != 2 {
			t.Errorf("%s: %+v", c.path, whole)
		}
		if c.whole != (len(items) == 2) || c.whole == (whole.First.ID == id+"?page=true") {
			t.Errorf("%s: begins at %q with %d items", c.path, whole.First.ID, len(items))
		}
		if !page.Is(kind+"Page") || page.ID != id+"?page=true" || page.PartOf.ID != id || len(pageItems) != 2 || !page.Next.IsZero() {
			t.Errorf("%s: %+v", c.path, page)
		}
	}
}

func TestWhatHasNoSourceIsNotThere(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	h.Object = public
	for path, status := range map[string]int{
		"/ap/users/alice/followers": 200, "/ap/users/alice/liked": 404, "/ap/users/alice/featured": 404, "/ap/users/alice/tags": 404, "/ap/users/alice/featuredTags": 404,
		"/ap/objects/1/replies": 404, "/ap/objects/1/outbox": 404, "/ap/users/alice/replies": 404, "/ap/of/L3g/likes": 404,
	} {
		if rec := get(mux, "https://a.test"+path, ap); rec.Code != status {
			t.Errorf("%s: %d, want %d", path, rec.Code, status)
		}
	}
	doc, err := h.Document(t.Context(), "acct:alice@a.test")
	if err != nil || !doc.Featured.IsZero() || !doc.FeaturedTags.IsZero() || !doc.Liked.IsZero() {
		t.Errorf("%+v, %v", doc, err)
	}
	o := &activity.Object{ID: "https://a.test/ap/objects/1"}
	if got := h.Collections.Link(h.Names, o); got != o {
		t.Errorf("%+v", got)
	}
}

func TestDocumentsLinkToTheCollectionsThatAreThere(t *testing.T) {
	t.Parallel()
	h, _, _ := newHandler(&bytes.Buffer{})
	h.Collections = actor.Collections{Liked: fixed(actor.Page{}), Featured: fixed(actor.Page{}), FeaturedTags: fixed(actor.Page{}), Replies: fixed(actor.Page{}), Shares: fixed(actor.Page{})}
	doc, err := h.Document(t.Context(), "https://a.test/author/jane")
	if err != nil || doc.Featured.ID != "https://a.test/ap/users/jane/featured" || doc.FeaturedTags.ID != "https://a.test/ap/users/jane/tags" || doc.Liked.ID != "https://a.test/ap/users/jane/liked" {
		t.Errorf("%+v, %v", doc, err)
	}
	o := &activity.Object{ID: "https://a.test/2026/bread?x=1", Shares: activity.IRI("https://a.test/own")}
	linked := h.Collections.Link(h.Names, o)
	want := "https://a.test/ap/of/" + base64.RawURLEncoding.EncodeToString([]byte("/2026/bread?x=1")) + "/replies"
	if linked.Replies.ID != want || linked.Shares.ID != "https://a.test/own" || !linked.Likes.IsZero() || !o.Replies.IsZero() {
		t.Errorf("%+v", linked)
	}
	foreign := &activity.Object{ID: "https://b.test/1"}
	if h.Collections.Link(h.Names, foreign) != foreign {
		t.Error("another server's object has collections here")
	}
}

func TestMembersMayBeHidden(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	const id = "https://a.test/ap/users/alice/followers"
	h.Collections.Followers = fixed(actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/1")}, Next: "x", Total: 12, Hidden: true})
	c := askCollection(t, mux, id, nil, 200)
	if *c.TotalItems != 12 || !c.First.IsZero() || len(c.OrderedItems) != 0 {
		t.Errorf("only the total: %+v", c)
	}
	askCollection(t, mux, id+"?page=true", nil, 404)
	h.Collections.Followers = fixed(actor.Page{Total: -1, Hidden: true})
	if c := askCollection(t, mux, id, nil, 200); c.TotalItems != nil || !c.First.IsZero() || len(c.OrderedItems) != 0 {
		t.Errorf("nothing: %+v", c)
	}
	h.Collections.Followers = func(context.Context, actor.Query) (actor.Page, error) { return actor.Page{}, actor.ErrHidden }
	askCollection(t, mux, id, nil, 404)
}

func TestCollectionsShowEachAskerWhatIsForThem(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	verified := 0
	h.Asker = func(r *http.Request) (string, error) { verified++; return r.Header.Get("Signature"), nil }
	h.Collections.Followers = func(_ context.Context, q actor.Query) (actor.Page, error) {
		p := actor.Page{Total: 2, Items: []activity.Ref{activity.IRI("https://b.test/open")}}
		if q.Asker == "https://b.test/friend" {
			p.Items = append(p.Items, activity.IRI("https://b.test/secret"))
			return p, nil
		}
		p.Partial = true
		return p, nil
	}
	const page = "https://a.test/ap/users/alice/followers?page=true"
	for who, want := range map[string]int{"": 1, "https://b.test/stranger": 1, "https://b.test/friend": 2} {
		header := map[string]string{}
		if who != "" {
			header["Signature"] = who
		}
		if c := askCollection(t, mux, page, header, 200); len(c.OrderedItems) != want {
			t.Errorf("%q sees %d", who, len(c.OrderedItems))
		}
		header["Accept"] = activity.ContentType
		if rec := get(mux, page, header); rec.Header().Get("Cache-Control") != "private, no-store" || !strings.Contains(rec.Header().Get("Vary"), "Signature") {
			t.Errorf("%q: %v", who, rec.Header())
		}
	}
	if verified != 4 {
		t.Errorf("verified %d times", verified)
	}
	// Where nothing depends on it nobody looks.
	askCollection(t, mux, "https://a.test/ap/users/alice/following?page=true", map[string]string{"Signature": "x"}, 200)
	if verified != 4 {
		t.Error("a signature was looked at for nothing")
	}
}

func TestCollectionsOfAHiddenObjectAreHidden(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	asked := 0
	h.Collections.Replies = func(context.Context, actor.Query) (actor.Page, error) { asked++; return actor.Page{Total: 3}, nil }
	h.Asker = func(r *http.Request) (string, error) { return r.Header.Get("Signature"), nil }
	h.Object = func(_ context.Context, id, asker string) (activity.Document, error) {
		switch {
		case strings.HasSuffix(id, "/gone"):
			return &activity.Object{ID: id, Type: activity.Types{"Tombstone"}}, nil
		case strings.HasSuffix(id, "/partial"):
			return &activity.Object{ID: id, Type: activity.Types{"Note"}}, actor.ErrPartial
		case asker == "https://b.test/friend":
			return &activity.Object{ID: id, Type: activity.Types{"Note"}}, nil
		}
		return nil, actor.ErrHidden
	}
	other := h.Names.ObjectCollection("https://a.test/2026/bread", "replies")
	for _, url := range []string{"https://a.test/ap/objects/1/replies", other, other + "?page=true"} {
		askCollection(t, mux, url, nil, 404)
		askCollection(t, mux, url, map[string]string{"Signature": "https://b.test/stranger"}, 404)
		if asked != 0 {
			t.Fatalf("%s: the app was asked for what is hidden", url)
		}
		askCollection(t, mux, url, map[string]string{"Signature": "https://b.test/friend"}, 200)
		asked = 0
	}
	askCollection(t, mux, "https://a.test/ap/objects/gone/replies", nil, 404)
	askCollection(t, mux, "https://a.test/ap/objects/partial/replies", nil, 200)
	h.Object = nil
	askCollection(t, mux, "https://a.test/ap/objects/1/replies", nil, 404)
}

func TestAnAppHasCollectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	h, _, _ := newHandler(&bytes.Buffer{})
	h.Collections.Own = map[string]actor.Source{
		"/reading-list": fixed(actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/book")}, Total: 1, Unordered: true}),
		"/books/{user}": func(_ context.Context, q actor.Query) (actor.Page, error) {
			if q.ID != "https://a.test/books/alice" || q.Name != "/books/{user}" || q.Owner != "" {
				return actor.Page{}, actor.ErrNotFound
			}
			return actor.Page{Items: []activity.Ref{activity.IRI("https://b.test/book")}, Total: 1}, nil
		},
		"/ap/users/{user}/books": fixed(actor.Page{Total: 4}),
	}
	if err := h.Collections.Check(h.Names); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	h.Register(mux)
	if c := askCollection(t, mux, "https://a.test/reading-list", nil, 200); !c.Is("Collection") || c.First.ID != "https://a.test/reading-list?page=true" {
		t.Errorf("%+v", c)
	}
	if c := askCollection(t, mux, "https://a.test/books/alice?page=true", nil, 200); !c.Is("OrderedCollectionPage") || c.PartOf.ID != "https://a.test/books/alice" {
		t.Errorf("%+v", c)
	}
	askCollection(t, mux, "https://a.test/books/bob", nil, 404)
	if c := askCollection(t, mux, "https://a.test/ap/users/alice/books", nil, 200); *c.TotalItems != 4 {
		t.Errorf("%+v", c)
	}
}

func TestCursorsOfStrangersStopAtTheDoor(t *testing.T) {
	t.Parallel()
	h, mux, _ := newHandler(&bytes.Buffer{})
	var seen []string
	h.Collections.Outbox = func(_ context.Context, q actor.Query) (actor.Page, error) {
		seen = append(seen, q.Cursor)
		return actor.Page{Total: 1, Next: map[bool]string{true: strings.Repeat("x", 513), false: "ok"}[q.Cursor == "too much"]}, nil
	}
	const id = "https://a.test/ap/users/alice/outbox?page=true&cursor="
	for cursor, status := range map[string]int{
		"x": 200, strings.Repeat("x", 512): 200, "%F0%9F%8D%9E": 200,
		strings.Repeat("x", 513): 404, "%00": 404, "%0A": 404, "%FF": 404, "%zz": 404, "x&" + strings.Repeat("y=1&", 600): 404,
		"too%20much": 503, // the source's fault
	} {
		askCollection(t, mux, id+cursor, nil, status)
	}
	for _, cursor := range seen {
		if len(cursor) > 512 || strings.ContainsAny(cursor, "\x00\n") || !utf8.ValidString(cursor) {
			t.Errorf("the app was asked for %q", cursor)
		}
	}
}

// numbers is a stream of n items, of which only each step-th is for strangers.
func numbers(n, step int, read *int) func(context.Context, actor.Query) iter.Seq2[actor.Item, error] {
	return func(_ context.Context, q actor.Query) iter.Seq2[actor.Item, error] {
		return func(yield func(actor.Item, error) bool) {
			after, err := strconv.Atoi("0" + q.Cursor)
			if err != nil {
				yield(actor.Item{}, actor.ErrNotFound)
				return
			}
			for i := after + 1; i <= n; i++ {
				*read++
				item := actor.Item{Cursor: strconv.Itoa(i)}
				if i%step == 0 {
					item.Ref = activity.IRI("https://a.test/ap/objects/" + strconv.Itoa(i))
				}
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

func TestAStreamIsReadNoFurtherThanAPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		n, step, shown int
		perPage        int // read at most
	}{
		{"nothing", 0, 1, 0, 0}, {"a page", 20, 1, 20, 20}, {"one more", 21, 1, 21, 21}, {"many", 105, 1, 105, 21},
		{"every tenth", 1000, 10, 100, 201}, {"hardly any", 1000, 999, 1, 201}, {"none", 1000, 2000, 0, 201},
	} {
		h, mux, _ := newHandler(&bytes.Buffer{})
		read := 0
		h.Collections.Outbox = actor.Stream(numbers(c.n, c.step, &read), func(context.Context, actor.Query) (int64, error) { return int64(c.n), nil })
		const id = "https://a.test/ap/users/alice/outbox"
		var items []string
		for next := id + "?page=true"; next != ""; {
			read = 0
			p := askCollection(t, mux, next, nil, 200)
			if read > c.perPage || len(p.OrderedItems) > 20 {
				t.Fatalf("%s: %d read for a page of %d", c.name, read, len(p.OrderedItems))
			}
			items, next = append(items, p.OrderedItems.IDs()...), p.Next.ID
		}
		if len(items) != c.shown || len(slices.Compact(slices.Clone(items))) != c.shown {
			t.Errorf("%s: %d items, want %d", c.name, len(items), c.shown)
		}
		whole := askCollection(t, mux, id, nil, 200)
		if *whole.TotalItems != int64(c.n) || whole.First.IsZero() != (c.n == 0 || c.shown == 0 && c.n <= 200) {
			t.Errorf("%s: %+v", c.name, whole)
		}
	}
	h, mux, _ := newHandler(&bytes.Buffer{})
	read := 0
	h.Collections.Outbox = actor.Stream(numbers(5, 1, &read), nil)
	if c := askCollection(t, mux, "https://a.test/ap/users/alice/outbox", nil, 200); c.TotalItems != nil {
		t.Errorf("a size that nobody told: %+v", c)
	}
	askCollection(t, mux, "https://a.test/ap/users/alice/outbox?page=true&cursor=x", nil, 404)
	h.Collections.Outbox = actor.Stream(numbers(5, 1, &read), func(context.Context, actor.Query) (int64, error) { return 0, errors.New("fire") })
	askCollection(t, mux, "https://a.test/ap/users/alice/outbox", nil, 503)
}

func FuzzObjectCollection(f *testing.F) {
	f.Add("https://a.test/2026/bread?x=1", "L29wZW4")
	f.Add("https://a.test/ap/objects/1", "L29wZW5=")
	f.Fuzz(func(t *testing.T, id, code string) {
		names := actor.Names{Origin: "https://a.test"}
		h, mux, _ := newHandler(&bytes.Buffer{})
		var owner string
		h.Object = public
		h.Collections.Likes = func(_ context.Context, q actor.Query) (actor.Page, error) {
			owner = q.Owner
			return actor.Page{Total: 1}, nil
		}
		if names.Ours(id) && strings.HasPrefix(id, "https://a.test/") && !strings.Contains(id, "#") {
			if kind, _, minted := names.Parse(id); !minted || kind == actor.KindObject {
				if rec := get(mux, names.ObjectCollection(id, "likes"), ap); rec.Code != 200 || owner != id {
					t.Fatalf("%q has its likes at %s, which is %d of %q", id, names.ObjectCollection(id, "likes"), rec.Code, owner)
				}
			}
		}
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://a.test/ap/of/%s/likes", code), nil)
		if err != nil {
			return
		}
		owner = ""
		if rec := get(mux, r.URL.String(), ap); rec.Code == 200 && (!names.Ours(owner) || r.URL.Path != strings.TrimPrefix(names.ObjectCollection(owner, "likes"), "https://a.test")) {
			t.Fatalf("%q leads to %q", code, owner)
		}
	})
}
