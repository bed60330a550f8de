// Goap starts two servers whose apps keep everything as items of github.com/go-ap/activitypub, as apps built on GoActivityPub
// do, and lets them federate: what an app publishes crosses the bridge by activity.FromItem, what it receives by
// activity.ToItem, and what go-ap has no place for is printed. Nothing else in the apps knows of package activity.
//
// The last line is "N passed, M failed"; the exit status is 0 if nothing failed, else 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"time"

	vocab "github.com/go-ap/activitypub"

	"github.com/fedihook/fedihook/activity"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Stdout))
}

func run(ctx context.Context, out io.Writer) int {
	t := &tally{out: out}
	if err := walk(ctx, t); err != nil {
		t.check(false, "the walk goes on to its end", err)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		return 1
	}
	return 0
}

// tally prints and counts what was checked.
type tally struct {
	out            io.Writer
	passed, failed int
}

func (t *tally) check(ok bool, what string, seen any) {
	if ok {
		t.passed++
		fmt.Fprintf(t.out, "  ok %s\n", what)
		return
	}
	t.failed++
	fmt.Fprintf(t.out, "  FAILED %s: %v\n", what, seen)
}

func walk(ctx context.Context, t *tally) (err error) {
	names := make(map[string]string)
	var sites []*site
	for _, who := range []struct{ host, handle string }{{"a.test", "anna"}, {"b.test", "bob"}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		names[who.host] = l.Addr().String()
		sites = append(sites, &site{host: who.host, handle: who.handle, names: names, listener: l, items: make(map[vocab.IRI]kept)})
	}
	for _, s := range sites {
		if err := s.start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.shut()) }()
	}
	a, b := sites[0], sites[1]

	fmt.Fprintln(t.out, "bob follows anna")
	anna, err := b.f.Lookup(ctx, "@anna@a.test")
	if err != nil {
		return err
	}
	if _, err := b.f.Follow(ctx, "bob", anna.ID); err != nil {
		return err
	}
	t.check(until(ctx, func() bool { return b.follows(ctx, anna.ID) }), "anna's server accepted", "no answer")

	fmt.Fprintln(t.out, "anna publishes a vocab.Object")
	note := &vocab.Object{
		Type:    vocab.NoteType,
		Content: vocab.NaturalLanguageValues{{Ref: "en", Value: []byte("<p>Bread!</p>")}, {Ref: "de", Value: []byte("<p>Brot!</p>")}},
		Tag:     vocab.ItemCollection{&vocab.Link{Type: "Hashtag", Href: "http://a.test/tags/bread", Name: vocab.DefaultNaturalLanguageValue("#bread")}},
	}
	if err := a.publish(ctx, note, nil); err != nil {
		return err
	}
	got, lost := b.await(ctx, t, note.ID)
	t.check(got.Content.Get("de").String() == "<p>Brot!</p>" && got.Content.Get("en").String() == "<p>Bread!</p>", "both languages are in bob's item", got.Content)
	t.check(slices.ContainsFunc(got.Tag, isBread), "so is the hashtag, a type that go-ap does not know", got.Tag)
	t.check(got.AttributedTo != nil && got.AttributedTo.GetLink().String() == anna.ID && got.To.Contains(vocab.PublicNS), "the library said who wrote it and for whom", got.AttributedTo)
	t.check(slices.Equal(lost, []string{"$.sensitive"}), "lost is only that it is not sensitive, which the library says for those who ask", lost)

	fmt.Fprintln(t.out, "anyone asks anna's server for it")
	page, err := a.get(ctx, note.ID)
	if err != nil {
		return err
	}
	t.check(page.Content == "<p>Bread!</p>" && page.ContentMap["de"] == "<p>Brot!</p>", "it is answered from anna's item", page.Content)

	fmt.Fprintln(t.out, "bob replies, and adds what go-ap has no field for")
	reply := &vocab.Object{
		Type: vocab.NoteType, Content: vocab.DefaultNaturalLanguageValue("<p>Crumbs!</p>"),
		InReplyTo: note.ID, To: vocab.ItemCollection{vocab.PublicNS}, CC: vocab.ItemCollection{vocab.IRI(anna.ID)},
	}
	if err := b.publish(ctx, reply, func(o *activity.Object) error { return o.Extra.Set("http://b.test/ns#mood", "crumbly") }); err != nil {
		return err
	}
	got, lost = a.await(ctx, t, reply.ID)
	t.check(got.InReplyTo != nil && got.InReplyTo.GetLink() == note.ID, "the reply is in anna's items, under her note", got.InReplyTo)
	t.check(slices.Equal(lost, []string{`$["http://b.test/ns#mood"]`, "$.sensitive"}), "she knows that it says more than her item", lost)
	return nil
}

func isBread(it vocab.Item) bool {
	link, ok := it.(*vocab.Link)
	return ok && link.Type == "Hashtag" && link.Href == "http://a.test/tags/bread"
}

// until waits for something to become true at the receiving side.
func until(ctx context.Context, is func() bool) bool {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if is() {
			return true
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
	}
}

// await waits for an item and shows what was lost on its way in. What did not come is empty.
func (s *site) await(ctx context.Context, t *tally, id vocab.IRI) (*vocab.Object, []string) {
	t.check(until(ctx, func() bool { return s.item(id).item != nil }), "it arrives at "+s.host, id)
	k := s.item(id)
	fmt.Fprintf(t.out, "     %s keeps %T %s, lost: %q\n", s.host, k.item, id, k.lost)
	if o, ok := k.item.(*vocab.Object); ok {
		return o, k.lost
	}
	return &vocab.Object{}, k.lost
}

// get asks as a stranger does.
func (s *site) get(ctx context.Context, id vocab.IRI) (*activity.Object, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", activity.ContentType)
	req.URL.Host = s.names[s.host] // its Host header still says the name
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var o activity.Object
	return &o, o.UnmarshalJSON(body)
}
