package fedihook_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/consent"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/moderation"
)

// Other servers refuse what lies elsewhere than its author: every id of ours in all that users of one host say is on that host.
func TestAllThatSomebodySaysLiesOnTheirHost(t *testing.T) {
	t.Parallel()
	inOrigins(t, func(c *fedihook.Config) {
		c.OptIn, c.Groups = true, &fedihook.Groups{}
		c.Hooks.Request = func(context.Context, *inbox.Message) error { return inbox.ErrPending }
	}, func(t *testing.T, v *storedFediverse) {
		w := &oneWalk{storedFediverse: v, t: t, far: v.net.Server("far.example").Actor("eve")}
		w.people()
		w.posts()
		w.quotes()
		w.group()
		w.keys()
		w.strays()
		w.moves()
		w.parting()
		for _, s := range []*inboxtest.Server{v.there, w.far.Server()} {
			for _, r := range s.Requests() {
				if r.Method == "POST" && r.Status/100 != 2 {
					t.Errorf("%+v", r)
				}
			}
			for _, d := range s.Received("") {
				w.saw(d)
			}
		}
		want := []string{
			"Accept Follow", "Accept QuoteRequest", "Announce", "Announce Create", "Announce Delete", "Block", "Create Note", "Delete", "Delete QuoteAuthorization",
			"Delete Tombstone", "Flag", "Follow", "Like", "Move", "QuoteRequest", "Reject Follow", "Travel", "Undo Announce", "Undo Follow", "Update Note", "Update Person",
		}
		if got := slices.Sorted(maps.Keys(w.seen)); !slices.Equal(got, want) {
			t.Errorf("it heard\n%q, want\n%q", got, want)
		}
	})
}

// oneWalk has users of one.example say everything that there is to say.
type oneWalk struct {
	*storedFediverse
	t    *testing.T
	far  *inboxtest.Actor
	seen map[string]bool // types of activities and what they embed
}

const walker = "alice@one.example"

// do fails if a verb does, and waits until what it says is said.
func (w *oneWalk) do(id string, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	settle()
	w.here(id)
	return id
}

func (w *oneWalk) here(id string) {
	w.t.Helper()
	if !strings.HasPrefix(id, "https://one.example/") {
		w.t.Errorf("%s is elsewhere", id)
	}
}

// saw looks at what came.
func (w *oneWalk) saw(d inboxtest.Delivery) {
	w.t.Helper()
	for _, found := range straying(w.t, d.Body, "one.example") {
		w.t.Errorf("in a %s: %s", d.Activity.Type, found)
	}
	w.here(d.Signed.KeyID)
	w.here(d.Activity.ID)
	if field := d.Header.Get(syncField); strings.Contains(field, "blog.example") || strings.Contains(field, "two.example") {
		w.t.Errorf("in a %s: %s", d.Activity.Type, field)
	}
	what := d.Activity.Type.String()
	if inner, err := d.Activity.Object[0].Document(); err == nil {
		switch inner := inner.(type) {
		case *activity.Activity:
			what += " " + inner.Type.String()
		case *activity.Object:
			what += " " + inner.Type.String()
		case *activity.Actor:
			what += " " + inner.Type.String()
		}
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[what] = true
}

func (w *oneWalk) people() {
	t, ctx := w.t, w.t.Context()
	w.follows(t, w.bob, oneAlice)
	w.follows(t, w.far, oneAlice)
	carol := "https://one.example/ap/users/carol"
	dora := w.there.Actor("dora")
	accepted(t, "the Follow", w.far.Follow(carol))
	accepted(t, "the Follow", dora.Follow(carol))
	settle()
	w.do(w.Accept(ctx, "carol@one.example", w.far.ID()))
	w.do(w.Reject(ctx, "carol@one.example", dora.ID()))
	w.do(w.RemoveFollower(ctx, "carol@one.example", w.far.ID()))
	w.do(w.Follow(ctx, walker, w.bob.ID()))
	accepted(t, "the Accept", w.bob.Accept(oneAlice))
	w.do(w.Follow(ctx, walker, dora.ID()))
	w.do(w.Unfollow(ctx, walker, dora.ID()))
	w.do(w.Block(ctx, walker, dora.ID()))
	w.do(w.Flag(ctx, walker, dora.ID(), "rude"))
	done, err := w.Import(ctx, yields(fedihook.ImportActor{
		ID: oneAlice, Following: iter.Seq2[actor.Follow, error](yields(actor.Follow{Followed: w.far.ID(), State: actor.Accepted, Inbox: w.far.ID() + "/inbox"})),
	}))
	if err != nil || done.Following != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
}

func (w *oneWalk) posts() {
	ctx := w.t.Context()
	post := w.do(w.Publish(ctx, walker, &activity.Object{Content: "<p>hello</p>"}))
	w.do(w.Update(ctx, walker, &activity.Object{ID: post, Content: "<p>edited</p>"}))
	w.do(w.UpdateProfile(ctx, walker))
	w.do(w.Publish(ctx, walker, &activity.Object{Content: "<p>psst</p>", To: activity.To(activity.Followers)}))
	w.do(w.At(time.Now().Add(time.Minute)).Publish(ctx, oneAlice, &activity.Object{Content: "<p>later</p>"}))
	time.Sleep(2 * time.Minute)
	settle()
	bobs := w.bob.Poll("<p>which?</p>", "this", "that")
	w.there.Put(bobs)
	w.do(w.Like(ctx, walker, bobs.ID))
	w.do(w.React(ctx, walker, bobs.ID, "🍞", nil))
	w.do(w.Vote(ctx, walker, bobs.ID, "this"))
	boost := w.do(w.Announce(ctx, walker, bobs.ID))
	w.do(w.Undo(ctx, walker, boost))
	w.do(w.Publish(ctx, walker, &activity.Object{Content: "<p>hi</p>", InReplyTo: activity.IRI(bobs.ID), To: activity.To(w.bob.ID(), activity.Public)}))
	w.do(w.Send(ctx, walker, &activity.Activity{Type: activity.Types{"Travel"}, Object: activity.Refs{activity.IRI(post)}, To: activity.To(w.bob.ID())}))
	if n, err := w.Offer(ctx, walker, w.there.Actor("fay").ID(), 3); n == 0 || err != nil {
		w.t.Errorf("%d were offered, %v", n, err)
	}
	w.do(w.Delete(ctx, walker, post))
}

func (w *oneWalk) quotes() {
	t, ctx := w.t, w.t.Context()
	post := &activity.Object{Content: "<p>ask me</p>", InteractionPolicy: quotable(nil, activity.To(activity.Public)).Ref()}
	id := w.do(w.Publish(ctx, walker, post))
	request := activity.QuoteRequest("", quotes(w.bob, id), &activity.Object{ID: id, AttributedTo: activity.Refs{activity.IRI(oneAlice)}})
	request.Actor = activity.IRI(w.bob.ID())
	accepted(t, "the QuoteRequest", w.bob.Send(request, oneAlice))
	settle()
	var asked []consent.Stamp
	for st, err := range w.Asked(ctx, walker) {
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, st)
	}
	if len(asked) != 1 {
		t.Fatalf("%+v", asked)
	}
	stamp := w.do(w.Grant(ctx, walker, asked[0].Request))
	if status, body := w.asked(t, stamp, asDocument); status != 200 || len(straying(t, []byte(body), "one.example")) > 0 {
		t.Errorf("the stamp: %d %s", status, body)
	}
	w.do(w.Revoke(ctx, walker, stamp))
	bobs := w.bob.Note("<p>mine</p>")
	bobs.InteractionPolicy = quotable(nil, activity.To(activity.Public)).Ref()
	w.there.Put(bobs)
	w.do(w.Publish(ctx, walker, &activity.Object{Content: "<p>look</p>", Quote: activity.IRI(bobs.ID), To: activity.To(activity.Public, w.bob.ID())}))
}

func (w *oneWalk) group() {
	t := w.t
	cats := "https://one.example/ap/users/cats"
	w.follows(t, w.far, cats)
	said := w.bob.Mention(cats, "<p>whiskers</p>")
	accepted(t, "the post", w.bob.Create(said))
	settle()
	accepted(t, "the Delete", w.bob.With(inboxtest.Manner{To: []string{cats}}).Delete(said.ID))
	settle()
	status, body := w.asked(t, cats+"/moderators", asDocument)
	if status != 200 || len(straying(t, []byte(body), "one.example")) > 0 {
		t.Errorf("its moderators: %d %s", status, body)
	}
}

func (w *oneWalk) keys() {
	w.do(w.RotateKeys(w.t.Context(), walker))
	w.do(w.RevokeKeys(w.t.Context(), walker))
}

// strays has bob's server say that carol follows him, who never asked.
func (w *oneWalk) strays() {
	carol := "https://one.example/ap/users/carol"
	stray := syncHeader(w.bob, shows(w.bob, oneAlice, carol), oneAlice, carol)
	m := inboxtest.Manner{Header: stray, To: []string{oneAlice}, Personal: true}
	accepted(w.t, "the post", w.bob.With(m).Create(w.bob.Direct(oneAlice, "<p>psst</p>")))
	settle()
	if n := count(w.there, "Undo", ""); n == 0 {
		w.t.Error("the stray was not undone")
	}
}

func (w *oneWalk) moves() {
	ctx, next := w.t.Context(), w.there.Actor("alice")
	next.Alias(oneAlice)
	w.do(w.Move(ctx, walker, next.ID()))
	w.do(w.Unmove(ctx, walker))
	accepted(w.t, "the Follow", next.Follow("https://one.example/ap/users/carol"))
	settle()
	w.do(w.Accept(ctx, "carol@one.example", next.ID()))
	w.do(w.OptOut(ctx, "carol@one.example", ""))
	if _, err := w.Follow(ctx, walker, w.far.ID()); err != nil {
		w.t.Fatal(err)
	}
	settle()
}

func (w *oneWalk) parting() {
	before := len(w.far.Server().Received(""))
	if _, err := w.Moderate(w.t.Context(), moderation.Rule{Key: moderation.Key{About: "far.example"}, Severity: moderation.Suspend}); err != nil {
		w.t.Fatal(err)
	}
	settle()
	if n := len(w.far.Server().Received("")); n == before {
		w.t.Error("nobody said goodbye")
	}
}

// Whatever mints an id goes by Server.newID, which asks whose it is to be.
func TestIDsAreMintedInOnePlace(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	minted := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Activity" && call.Sel.Name != "Object" {
				return true
			}
			if names, ok := call.X.(*ast.SelectorExpr); !ok || names.Sel.Name != "names" {
				return true
			}
			if minted++; name != "rooms.go" {
				t.Errorf("%s: by names.%s: use newID or activityID", set.Position(n.Pos()), call.Sel.Name)
			}
			return true
		})
	}
	if minted != 2 {
		t.Errorf("%d places mint, want the two of newID", minted)
	}
}
