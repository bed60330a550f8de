package fedihook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
	"github.com/fedihook/fedihook/storage"
)

const (
	club     = "https://club.example"
	cats     = club + "/ap/users/cats" // a group
	news     = club + "/ap/users/news" // a group where moderators begin threads
	clubAlma = club + "/ap/users/alma"
)

// clubWorld is an app with groups at club.example, another one at blog.example whose rita follows cats, and members of cats at three
// other servers, of whom kim is a moderator.
type clubWorld struct {
	club, blog    *fedihook.Server
	net           *inboxtest.Net
	ann, ben, kim *inboxtest.Actor

	mu         sync.Mutex
	banned     map[string]bool
	busy       int               // how often Admit fails yet
	heard      map[string][]said // by host
	moderators []string
}

type said struct {
	hook string
	*inbox.Message
}

var clubKeys = sync.OnceValue(func() actor.Keys { return storage.Memory().Keys })

// inClub runs f in a bubble. change may alter the configs.
func inClub(t *testing.T, change func(host string, c *fedihook.Config), f func(t *testing.T, w *clubWorld)) {
	t.Helper()
	keys := clubKeys()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		w := &clubWorld{net: n, banned: map[string]bool{}, heard: map[string][]said{}}
		w.ann, w.ben, w.kim = n.Server("one.example").Actor("ann"), n.Server("two.example").Actor("ben"), n.Server("three.example").Actor("kim")
		w.moderators = []string{w.kim.ID(), clubAlma}
		start := func(host string) *fedihook.Server {
			store := storage.Memory()
			store.Keys = keys
			c := fedihook.Config{
				Origin: "https://" + host, Storage: store, InsecureDial: n.Dial, RootCAs: n.RootCAs(), Logger: slog.New(slog.DiscardHandler),
				Profile: func(_ context.Context, handle string) (actor.Profile, error) {
					switch {
					case host == "club.example" && (handle == "cats" || handle == "news"):
						return actor.Profile{Handle: handle, Type: "Group", PostingRestrictedToMods: handle == "news"}, nil
					case handle == "alma" || handle == "rita":
						return actor.Profile{Handle: handle}, nil
					}
					return actor.Profile{}, actor.ErrNotFound
				},
				Hooks: w.hooks(host),
			}
			if host == "club.example" {
				c.Groups = &fedihook.Groups{
					Moderators: func(context.Context, string) ([]string, error) { return w.moderators, nil },
					Banned: func(_ context.Context, _, who string) (bool, error) {
						w.mu.Lock()
						defer w.mu.Unlock()
						return w.banned[who], nil
					},
					Admit: func(_ context.Context, _ string, m *inbox.Message) error {
						w.mu.Lock()
						defer w.mu.Unlock()
						if w.busy > 0 {
							w.busy--
							return errors.New("come again")
						}
						if o, ok := m.Object.(*activity.Object); ok && strings.Contains(o.Content, "dog") {
							return fmt.Errorf("no dogs: %w", inbox.ErrRefuse)
						}
						return nil
					},
				}
			}
			if change != nil {
				change(host, &c)
			}
			s, err := fedihook.New(c)
			if err != nil {
				t.Fatal(err)
			}
			n.Serve(host, s.Handler())
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			t.Cleanup(func() {
				stop()
				if err := <-done; err != nil {
					t.Errorf("Run = %v", err)
				}
			})
			return s
		}
		w.club, w.blog = start("club.example"), start("blog.example")
		for _, member := range []*inboxtest.Actor{w.ann, w.ben, w.kim} {
			if status := member.Follow(cats); status != http.StatusAccepted {
				t.Fatalf("Follow: %d", status)
			}
			member.Server().Wait("Accept")
		}
		if _, err := w.blog.Follow(t.Context(), "rita", cats); err != nil {
			t.Fatal(err)
		}
		n.Until("rita follows", func() bool { return w.count("blog.example", "Accepted", cats) > 0 })
		f(t, w)
	})
}

func (w *clubWorld) hooks(host string) inbox.Hooks {
	as := func(hook string) inbox.Hook {
		return func(_ context.Context, m *inbox.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard[host] = append(w.heard[host], said{hook, m})
			return nil
		}
	}
	return inbox.Hooks{
		Accepted: as("Accepted"), Create: as("Create"), Update: as("Update"), Delete: as("Delete"), Like: as("Like"), Announce: as("Announce"),
		Undo: as("Undo"), Block: as("Block"), Moderate: as("Moderate"), Other: as("Other"),
	}
}

// count tells how often a hook was called by or about somebody or something.
func (w *clubWorld) count(host, hook, id string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.heard[host] {
		if s.hook == hook && (s.Sender == id || s.ObjectID == id) {
			n++
		}
	}
	return n
}

// page makes a post of a's in cats.
func page(a *inboxtest.Actor, text string) *activity.Object {
	o := a.Note(text)
	o.Type, o.Name, o.Audience = activity.Types{"Page"}, "About "+text, activity.Refs{activity.IRI(cats)}
	o.To, o.CC = activity.To(cats, activity.Public), nil
	return o
}

// announced lists what cats has announced to a's server: "Create id", "Undo Announce id", and last "id" for each object alone,
// which come apart from the others.
func announced(a *inboxtest.Actor) (list []string) {
	var alone []string
	defer func() { list = append(list, alone...) }()
	for _, d := range a.Server().Received("") {
		if d.Activity.Actor.ID != cats || d.Activity.Is("Accept") {
			continue
		}
		ref := d.Activity.Object[0]
		doc, err := ref.Document()
		if err != nil {
			alone = append(alone, ref.ID)
			continue
		}
		inner := doc.(*activity.Activity)
		if d.Activity.Is("Undo") {
			list = append(list, "Undo "+inner.Type.String()+" "+inner.Object.First())
			continue
		}
		list = append(list, inner.Type.String()+" "+inner.Object.First())
	}
	return list
}

// settle waits for all that is under way: in a bubble time passes only when nobody does anything.
// passing lets everything come to an end, what waits for something else too.
func passing() { time.Sleep(5 * time.Minute); synctest.Wait() }

func TestAGroupAnnouncesWhatItsMembersSendByteForByte(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		post := page(w.ann, "whiskers")
		w.ann.Server().Put(post)
		compact, err := activity.Encode(activity.Create(w.ann.ID()+"/activities/create-1", post))
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, compact, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		body := bytes.Replace(spaced.Bytes(), []byte("whiskers"), []byte(`wh\u0069skers`), 1)
		for range 2 {
			if status := w.ann.Post(club+"/ap/inbox", body); status != http.StatusAccepted {
				t.Fatalf("status %d", status)
			}
		}
		passing()
		for _, member := range []*inboxtest.Actor{w.ann, w.ben, w.kim} { // the author too: so it learns that it was let in
			if got, want := announced(member), []string{"Create " + post.ID, post.ID}; !slices.Equal(got, want) {
				t.Errorf("%s got %q, want %q", member.ID(), got, want)
			}
			exact := 0
			for _, d := range member.Server().Received("Announce") {
				if bytes.Contains(d.Body, body) {
					exact++
				}
				if d.Activity.Actor.ID != cats || !d.Activity.To.Has(activity.Public) || !d.Activity.CC.Has(cats+"/followers") {
					t.Errorf("%s", d.Body)
				}
			}
			if exact != 1 {
				t.Errorf("%s is in %d", body, exact)
			}
		}
		// Who reads groups takes it for ann's, by what her server shows, once, and not the copy.
		if n, m := w.count("blog.example", "Create", post.ID), w.count("blog.example", "Announce", post.ID); n != 1 || m != 0 {
			t.Errorf("the Create %d times, its copy %d times", n, m)
		}
		m := w.heard["blog.example"][1]
		if m.Sender != w.ann.ID() || m.Group != cats || !m.ToMembers || m.ToFollowers || m.By != inbox.ByOrigin {
			t.Errorf("%+v", m.Message)
		}
	})
}

func TestWhatAMemberProvedIsProvedBehindAGroup(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		post := page(w.kim, "paws")
		if status := w.kim.With(inboxtest.Manner{Proof: true}).Create(post); status != http.StatusAccepted {
			t.Fatalf("status %d", status)
		}
		w.net.Until("the post", func() bool { return w.count("blog.example", "Create", post.ID) == 1 })
		w.mu.Lock()
		defer w.mu.Unlock()
		m := w.heard["blog.example"][1]
		if m.By != inbox.ByDocument || m.Sender != w.kim.ID() || m.Group != cats {
			t.Errorf("by %s, of %s, in %q", m.By, m.Sender, m.Group)
		}
	})
}

func TestAGroupAnnouncesWhatBecomesOfAPostInOrder(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		post := page(w.ann, "whiskers")
		w.ann.Create(post)
		passing()
		like := activity.Like("", w.ben.ID(), post)
		like.ID, like.To, like.Audience = w.ben.ID()+"/activities/like-1", nil, activity.Refs{activity.IRI(cats)}
		if status := w.ben.Send(like, cats); status != http.StatusAccepted {
			t.Errorf("vote: %d", status)
		}
		passing()
		// Only what it undoes names the group.
		undo := activity.Undo(w.ben.ID()+"/activities/undo-1", like)
		undo.Object = activity.Refs{activity.Embed(like)}
		w.ben.Send(undo, cats)
		reply := w.kim.Note("meow")
		reply.InReplyTo, reply.Audience = activity.IRI(post.ID), activity.Refs{activity.IRI(cats)}
		reply.To = activity.To(cats, activity.Public)
		w.kim.Create(reply)
		passing()
		post.Content = "whiskers!"
		w.ann.Update(post)
		passing()
		w.ann.Delete(post.ID)
		passing()
		want := []string{
			"Create " + post.ID, "Like " + post.ID, "Undo " + like.ID, "Create " + reply.ID, "Update " + post.ID,
			"Delete " + post.ID, "Undo Announce " + post.ID, post.ID,
		}
		got := announced(w.kim)
		for _, one := range want {
			if !slices.Contains(got, one) {
				t.Errorf("%s is missing", one)
			}
		}
		if !sameInOrder(got, post.ID) || len(got) != len(want) {
			t.Errorf("announced %q, want %q", got, want)
		}
	})
}

// sameInOrder tells whether the life of an object was told in the order in which it went.
func sameInOrder(list []string, id string) bool {
	at := func(what string) int { return slices.Index(list, what+" "+id) }
	return 0 <= at("Create") && at("Create") < at("Update") && at("Update") < at("Delete")
}

func TestAGroupAnnouncesNothingElse(t *testing.T) {
	t.Parallel()
	inClub(t, nil, func(t *testing.T, w *clubWorld) {
		w.kim.Follow(news)
		w.kim.Server().Wait("Accept")
		w.banned[w.ben.ID()] = true
		w.ben.Create(page(w.ben, "let me in")) // who is banned
		w.ann.Create(page(w.ann, "a dog"))     // what the app does not want
		private := page(w.ann, "psst")
		private.To = activity.To(cats)
		w.ann.Create(private)
		notice := page(w.ann, "notice")
		notice.To, notice.Audience = activity.To(news, activity.Public), activity.Refs{activity.IRI(news)}
		w.ann.Create(notice) // not a moderator
		elsewhere := w.kim.Note("of something else")
		w.kim.Create(elsewhere)
		share := activity.Announce(w.kim.ID()+"/activities/announce-1", w.kim.ID(), w.kim.ID()+"/followers", elsewhere, time.Now())
		share.To = append(share.To, activity.IRI(cats))
		w.kim.Send(share, cats)
		w.kim.Flag(cats, "spam", elsewhere.ID)
		w.ann.Send(&activity.Activity{Type: activity.Types{"Lock"}, Object: activity.Refs{activity.IRI(elsewhere.ID)}, To: activity.To(cats, activity.Public)})
		blind := activity.Create(w.ann.ID()+"/activities/blind-1", page(w.ann, "blind"))
		body, err := blind.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		w.ann.Post(club+"/ap/inbox", bytes.Replace(body, []byte(`"type":"Create"`), []byte(`"type":"Create","bto":["https://secret.example/"]`), 1))
		unannounced := notice
		unannounced.Content = "notice!"
		w.ann.Update(unannounced) // an edit of what was never announced
		vote := activity.Like(w.ann.ID()+"/activities/like-1", w.ann.ID(), elsewhere)
		vote.To = activity.To(cats)
		w.ann.Send(vote, cats) // of what has nothing to do with the group
		w.ann.Send(&activity.Activity{
			ID: w.ann.ID() + "/activities/undo-1", Type: activity.Types{"Undo"}, Object: activity.Refs{activity.Embed(vote)}, To: activity.To(cats),
		}, cats)
		wrapper := &activity.Activity{Type: activity.Types{"Announce"}, Object: activity.Refs{activity.Embed(activity.Create(w.kim.ID()+"/activities/x", page(w.kim, "x")))}, To: activity.To(activity.Public, cats)}
		w.kim.Send(wrapper, cats) // no group
		passing()
		for _, member := range []*inboxtest.Actor{w.ann, w.ben, w.kim} {
			if got := announced(member); len(got) != 0 {
				t.Errorf("%s got %q", member.ID(), got)
			}
			for _, d := range member.Server().Received("Announce") {
				t.Errorf("%s got %s", member.ID(), d.Body)
			}
		}
		// And who may: the same post by a moderator.
		notice = page(w.kim, "notice")
		notice.To, notice.Audience = activity.To(news, activity.Public), activity.Refs{activity.IRI(news)}
		w.kim.Create(notice)
		passing()
		var told []string
		for _, d := range w.kim.Server().Received("Announce") {
			if inner, err := d.Activity.Object[0].Document(); err == nil && d.Activity.Actor.ID == news {
				told = append(told, inner.(*activity.Activity).Object.First())
			}
		}
		if !slices.Equal(told, []string{notice.ID}) {
			t.Errorf("news announced %q", told)
		}
	})
}

func TestAGroupThatCouldNotDecideAnnouncesOnce(t *testing.T) {
	t.Parallel()
	inClub(t, func(host string, c *fedihook.Config) { c.Hooks = inboxtest.Twice(c.Hooks) }, func(t *testing.T, w *clubWorld) {
		w.mu.Lock()
		w.busy = 2
		w.mu.Unlock()
		post := page(w.ann, "whiskers")
		w.ann.Create(post)
		passing()
		if got, want := announced(w.ben), []string{"Create " + post.ID, post.ID}; !slices.Equal(got, want) {
			t.Errorf("announced %q, want %q", got, want)
		}
	})
}
