//go:build interop

package fedify_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// walked is a collection as Fedify's traverseCollection brings it.
type walked struct {
	Type       string
	TotalItems int
	Items      []struct{ ID, Type, ObjectID string }
}

func (p *peer) traverse(t *testing.T, id string, signed bool) (c walked) {
	t.Helper()
	p.must(t, http.MethodPost, "/traverse", with{"id": id, "signed": signed}, &c)
	return c
}

// publishMany makes jack, whom nobody follows, say n things, and returns their ids in that order.
func (w *world) publishMany(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		id := must(t)(w.o.f.Publish(t.Context(), "jack", &activity.Object{Content: fmt.Sprintf("<p>Number %d</p>", i+1)}))
		ids = append(ids, id)
	}
	if !eventually(t, func() bool {
		status, _ := w.o.read(t, ids[n-1], "")
		return status == http.StatusOK
	}) {
		t.Fatalf("%s is not shown", ids[n-1])
	}
	return ids
}

func fedifyWalksTheOutbox(t *testing.T, w *world) {
	const n = 45 // more than two pages
	ids := w.publishMany(t, n)
	slices.Reverse(ids)
	outbox := w.o.actor("jack") + "/outbox"
	var c walked
	eventually(t, func() bool { // what is published is shown a moment before it is listed
		w.begin(t)
		c = w.p.traverse(t, outbox, false)
		listed := 0
		for _, item := range c.Items {
			if slices.Contains(ids, item.ObjectID) {
				listed++
			}
		}
		return c.TotalItems == len(c.Items) && listed >= n
	})
	if c.Type != "OrderedCollection" || c.TotalItems != len(c.Items) {
		t.Fatalf("Fedify takes it for %s of %d items and finds %d", c.Type, c.TotalItems, len(c.Items))
	}
	var got, made []string
	for _, item := range c.Items {
		got = append(got, item.ID)
		if item.Type == "Create" {
			made = append(made, item.ObjectID)
		}
	}
	if !slices.Equal(made[:min(n, len(made))], ids) {
		t.Errorf("Fedify finds\n%v\nand jack said, the newest first,\n%v", made, ids)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(c.Items) {
		t.Error("something is in it twice")
	}
	if pages := w.asked(t, "out", outbox+"?", anything); len(pages) != 3 {
		t.Errorf("Fedify asked for the pages %q, not for three", pages)
	}
}

func anything(exchange) bool { return true }

func fedifyWalksFollowersAndFeatured(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	if c := w.p.traverse(t, alice+"/followers", false); c.TotalItems != 1 || len(c.Items) != 1 || c.Items[0].ID != w.p.Actor || c.Items[0].Type != "Person" {
		t.Errorf("Fedify takes her followers to be %+v", c)
	}
	pinned := w.publishMany(t, 2)
	w.o.app.change(func() { w.o.app.pinned[w.o.actor("jack")] = pinned })
	c := w.p.traverse(t, w.o.featuredOf("jack"), false)
	if len(c.Items) != 2 || c.Items[0].ID != pinned[0] || c.Items[1].ID != pinned[1] || c.Items[0].Type != "Note" {
		t.Errorf("Fedify takes what jack features to be %+v, not %v", c, pinned)
	}
}

func oursWalksTheOutbox(t *testing.T, w *world) {
	var want []string
	for i := range 12 { // more than two pages of five
		want = append(want, w.p.post(t, post{Content: fmt.Sprintf("Number %d", i+1), Quiet: true}).ID)
	}
	slices.Reverse(want)
	outbox := w.p.Actor + "/outbox"
	w.begin(t)
	items := activity.List(walk(t, w.o.finder(t), outbox)).IDs()
	if len(items) < 12 || !slices.Equal(items[:12], want) {
		t.Errorf("ours finds\n%v\nand fred said, the newest first,\n%v", items, want)
	}
	slices.Sort(items)
	if n := len(items); len(slices.Compact(items)) != n {
		t.Error("something is in it twice")
	}
	pages := w.asked(t, "in", outbox+"?", anything)
	if len(pages) != (len(items)+4)/5 || !strings.Contains(pages[0], "200") {
		t.Errorf("ours asked for the pages %q for %d items", pages, len(items))
	}
}

func oursWalksFollowersAndFeatured(t *testing.T, w *world) {
	alice := w.o.actor("alice")
	if followers := activity.List(walk(t, w.o.finder(t), w.p.Actor+"/followers")).IDs(); !slices.Contains(followers, alice) || !slices.Equal(sorted(followers), sorted(w.p.state(t).Followers)) {
		t.Errorf("ours takes fred's followers to be %v", followers)
	}
	s := w.p.post(t, post{Content: "Above all", Quiet: true})
	w.p.do(t, "pin", s.Note)
	defer w.p.do(t, "unpin", s.Note)
	if featured := activity.List(walk(t, w.o.finder(t), w.p.Actor+"/featured")).IDs(); !slices.Equal(featured, []string{s.Note}) {
		t.Errorf("ours takes what fred features to be %v, not %s", featured, s.Note)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func fredPins(t *testing.T, w *world)   { w.fredFeatures(t, "pin", "Add") }
func fredUnpins(t *testing.T, w *world) { w.fredFeatures(t, "unpin", "Remove") }

func (w *world) fredFeatures(t *testing.T, verb, hook string) {
	t.Helper()
	id := w.fredPosts(t, "Above all")
	if verb == "unpin" {
		w.oursHears(t, "Add", w.p.do(t, "pin", id).ID)
	}
	s := w.p.do(t, verb, id)
	if verb == "pin" {
		defer w.p.do(t, "unpin", id)
	}
	h := w.oursHears(t, hook, s.ID)
	if h.ObjectID != id || h.Activity.Target.ID != w.p.Actor+"/featured" {
		t.Errorf("the %s is of %s in %s", hook, h.ObjectID, h.Activity.Target.ID)
	}
}

func jackPins(t *testing.T, w *world)   { w.jackFeatures(t, activity.TypeAdd) }
func jackUnpins(t *testing.T, w *world) { w.jackFeatures(t, activity.TypeRemove) }

func (w *world) jackFeatures(t *testing.T, kind string) {
	t.Helper()
	id := w.publishMany(t, 1)[0]
	said := must(t)(w.o.f.Send(t.Context(), "jack", &activity.Activity{
		Type: activity.Types{kind}, Object: activity.Refs{activity.IRI(id)}, Target: activity.IRI(w.o.featuredOf("jack")),
		To: activity.To(activity.Public), CC: activity.To(w.p.Actor),
	}))
	if e := w.fedifyHearsID(t, kind, "jack", said); e.ObjectID != id || e.TargetID != w.o.featuredOf("jack") {
		t.Errorf("the %s came as %+v", kind, e)
	}
}
