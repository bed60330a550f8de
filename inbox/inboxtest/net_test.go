package inboxtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// The bubble fails if a goroutine is left, and if anything waits for what is no part of it.
func TestAPostReachesAFollowerWithoutASocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := inboxtest.NewNet(t)
		ann, bob := n.Server("a.example").Actor("ann"), n.Server("b.example").Actor("bob")
		if got := bob.Follow(ann.ID()); got != http.StatusAccepted {
			t.Fatalf("Follow: %d", got)
		}
		ann.Server().Wait("Follow")
		if got := ann.Accept(bob.ID()); got != http.StatusAccepted {
			t.Fatalf("Accept: %d", got)
		}
		if got := bob.Following(); len(got) != 1 || got[0] != ann.ID() {
			t.Errorf("bob follows %v", got)
		}
		note := ann.Note("<p>hello</p>")
		if got := ann.Create(note); got != http.StatusAccepted {
			t.Errorf("Create: %d", got)
		}
		d := bob.Server().Wait("Create")
		if d.Activity.Actor.ID != ann.ID() || d.Signed.Owner != ann.ID() || d.Inbox != "https://b.example/inbox" {
			t.Errorf("bob's server got %+v", d)
		}
		if got := bob.Undo("Follow", ann.ID()); got != http.StatusAccepted || len(ann.Followers()) != 0 {
			t.Errorf("Undo: %d, then %v follow", got, ann.Followers())
		}
	})
}

func TestWhatAServerShowsIsWhatItShould(t *testing.T) {
	t.Parallel()
	n := inboxtest.NewNet(t)
	s := n.Server("a.example")
	ann, bob := s.Actor("ann"), n.Server("b.example").Actor("bob")
	public, secret := ann.Mention(bob.ID(), "<p>1</p>"), ann.Direct(bob.ID(), "<p>2</p>")
	ann.Create(public)
	ann.Create(secret)
	ann.Add(public.ID) // bob does not follow, so it is told to nobody: see Manner.To
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := n.Client().Get("https://a.example" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/users/ann", 200, `"preferredUsername":"ann"`},
		{"/users/nobody", 404, ""},
		{"/users/ann/outbox", 200, `"totalItems":2`},
		{"/users/ann/featured", 200, public.ID},
		{"/actor", 200, `"Application"`},
		{"/.well-known/webfinger?resource=acct:ann@a.example", 200, `"href":"https://a.example/users/ann"`},
		{"/.well-known/webfinger?resource=acct:nobody@a.example", 404, ""},
		{"/.well-known/nodeinfo", 200, "https://a.example/nodeinfo/2.1"},
		{"/nodeinfo/2.1", 200, `"inboxtest"`},
		{strings.TrimPrefix(public.ID, "https://a.example"), 200, "1"},
		{strings.TrimPrefix(secret.ID, "https://a.example"), 404, ""},
	} {
		if status, body := get(c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("GET %s: %d %s", c.path, status, body)
		}
	}
	reply := bob.Reply(secret.ID, "<p>so?</p>") // whom it is for can read it
	if !strings.Contains(strings.Join(reply.Mentions(), " "), ann.ID()) {
		t.Errorf("the reply mentions %v", reply.Mentions())
	}
	ann.Delete(public.ID)
	if status, body := get(strings.TrimPrefix(public.ID, "https://a.example")); status != 410 || !strings.Contains(body, "Tombstone") {
		t.Errorf("what was deleted: %d %s", status, body)
	}
}

func TestSignaturesToAFakeServerAreVerified(t *testing.T) {
	t.Parallel()
	n := inboxtest.NewNet(t)
	ann, bob, eve := n.Server("a.example").Actor("ann"), n.Server("b.example").Actor("bob"), n.Server("e.example").Actor("eve")
	for name, c := range map[string]struct {
		manner inboxtest.Manner
		want   int
	}{
		"as it should be":    {inboxtest.Manner{}, 202},
		"Ed25519":            {inboxtest.Manner{Ed25519: true}, 202},
		"not signed":         {inboxtest.Manner{Unsigned: true}, 401},
		"by somebody else":   {inboxtest.Manner{Signer: eve}, 401},
		"with a foreign key": {inboxtest.Manner{ForeignKey: eve}, 401},
		"late":               {inboxtest.Manner{Late: 10 * time.Minute}, 202},
		"too late":           {inboxtest.Manner{Late: 10 * time.Hour}, 401},
		"huge":               {inboxtest.Manner{Pad: 2 << 20}, 413},
	} {
		if got := bob.With(c.manner).Follow(ann.ID()); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	bob.RotateKey()
	if got := bob.Follow(ann.ID()); got != http.StatusAccepted {
		t.Errorf("with a new key: %d", got)
	}
}

func TestNoTwoActorsHaveOneKey(t *testing.T) {
	t.Parallel()
	n := inboxtest.NewNet(t)
	seen := map[string]string{}
	for _, name := range strings.Fields("a b c d e f g h i j k l m n") { // more than there are published keys
		who := n.Server("a.example").Actor(name)
		key := who.Document().Keys()[0].PEM
		if other := seen[key]; other != "" || key == "" {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[key] = name
		if again := n.Server("A.example").Actor(name); again.ID() != who.ID() || again.Document().Keys()[0].PEM != key {
			t.Errorf("%s is somebody else when asked for again", name)
		}
	}
}

func TestPaddingAndNestingGiveTheSizeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	n := inboxtest.NewNet(t)
	var got []byte
	n.Serve("app.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if got, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	bob := n.Server("b.example").Actor("bob")
	if status := bob.With(inboxtest.Manner{Pad: 100_000, Nest: 40}).Post("https://app.example/inbox", []byte(`{"id":"1"}`)); status != 202 {
		t.Fatal(status)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(got, &doc); err != nil || len(got) != 100_000 || string(doc["id"]) != `"1"` ||
		!strings.HasPrefix(string(doc["nested"]), strings.Repeat("[", 40)) {
		t.Errorf("%d bytes, %v: %.100s", len(got), err, got)
	}
}

func TestNobodyIsReachedOutsideOfTheNet(t *testing.T) {
	t.Parallel()
	n := inboxtest.NewNet(t)
	n.Serve("app.example", http.NotFoundHandler())
	for _, address := range []string{"elsewhere.example:443", "app.example:80", "127.0.0.1:443"} {
		var none *net.DNSError
		if c, err := n.Dial(t.Context(), "tcp", address); !errors.As(err, &none) {
			t.Errorf("Dial(%s) = %v, %v", address, c, err)
		}
	}
	n.Close()
	if _, err := n.Client().Get("https://app.example/"); err == nil {
		t.Error("a network that has ended answers")
	}
}

// TestTwiceRunsEveryHook fails for a hook of a kind that Twice does not know.
func TestTwiceRunsEveryHook(t *testing.T) {
	t.Parallel()
	var h inbox.Hooks
	ran := 0
	var result error
	fields := reflect.ValueOf(&h).Elem()
	for i := range fields.NumField() {
		fields.Field(i).Set(reflect.MakeFunc(fields.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			ran++
			return []reflect.Value{reflect.ValueOf(&result).Elem()}
		}))
	}
	twice := reflect.ValueOf(inboxtest.Twice(h))
	for i := range twice.NumField() {
		for _, c := range []struct {
			result error
			want   int
		}{{nil, 2}, {inbox.ErrRefuse, 1}} {
			ran, result = 0, c.result
			in := make([]reflect.Value, twice.Field(i).Type().NumIn())
			for j := range in {
				in[j] = reflect.Zero(twice.Field(i).Type().In(j))
			}
			in[0] = reflect.ValueOf(context.Background())
			out, _ := twice.Field(i).Call(in)[0].Interface().(error)
			if ran != c.want || !errors.Is(out, c.result) {
				t.Errorf("%s ran %d times and returned %v", twice.Type().Field(i).Name, ran, out)
			}
		}
	}
	if got := inboxtest.Twice(inbox.Hooks{}); got.Create != nil || got.Likes != nil {
		t.Error("a hook that is nil is one no more")
	}
}

func TestTwiceRunsReadersButLooksUpOnce(t *testing.T) {
	t.Parallel()
	removed, asked := 0, 0
	r := inboxtest.Twice(inbox.Readers{
		Posts:  "https://blog.example/posts/",
		Remove: func(context.Context, string, string) error { removed++; return nil },
		Who:    func(context.Context, string) inbox.Person { asked++; return inbox.Person{Handle: "bob@b.example"} },
	})
	if err := r.Remove(t.Context(), "https://b.example/1", "https://b.example/users/bob"); err != nil || removed != 2 {
		t.Errorf("Remove ran %d times and returned %v", removed, err)
	}
	if who := r.Who(t.Context(), ""); who.Handle != "bob@b.example" || asked != 1 {
		t.Errorf("Who ran %d times and returned %+v", asked, who)
	}
	if r.Posts != "https://blog.example/posts/" || r.Comment != nil || r.React != nil {
		t.Errorf("what is no func, or nil, has changed: %q", r.Posts)
	}
}

func TestAMessageThatTheInboxWouldRefuseIsNotMade(t *testing.T) {
	t.Parallel()
	const bob = "https://b.example/users/bob"
	note := activity.Note("https://b.example/1", "https://b.example/users/eve", "<p>hello</p>", time.Time{})
	foreign := activity.Create("https://b.example/2", note)
	foreign.Actor = activity.IRI(bob)
	for name, a := range map[string]*activity.Activity{
		"nobody's":          {ID: "https://b.example/3", Type: activity.Types{"Like"}},
		"somebody else's":   foreign,
		"of another server": activity.Follow("https://e.example/4", bob, "https://blog.example/users/alice"),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a Message was made", name)
				}
			}()
			inboxtest.Message(nil, a)
		}()
	}
}

// idle is an app that answers nothing and works until it is told to end.
type idle struct {
	ended atomic.Bool
	err   error
}

func (a *idle) Handler() http.Handler { return http.NotFoundHandler() }

func (a *idle) Run(ctx context.Context) error {
	if a.err != nil {
		return a.err
	}
	<-ctx.Done()
	time.Sleep(time.Second) // it finishes what is under way
	a.ended.Store(true)
	return nil
}

func TestAnAppRunsUntilTheNetworkEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, app := inboxtest.NewNet(t), &idle{}
		n.Run("app.example", app)
		resp, err := n.Client().Get("https://app.example/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound || app.ended.Load() {
			t.Errorf("answered %d, ended: %t", resp.StatusCode, app.ended.Load())
		}
		n.Close()
		if !app.ended.Load() {
			t.Error("the network did not wait for the app")
		}
	})
}

func TestAnErrorOfAnAppIsOneOfTheTest(t *testing.T) {
	t.Parallel()
	said := &recorder{TB: t}
	n := inboxtest.NewNet(said)
	n.Run("app.example", &idle{err: errors.New("no database")})
	n.Close()
	n.Run("app.example", &idle{}) // which would never end
	if got := said.all(); len(got) != 2 || !strings.Contains(got[0], "app.example: no database") || !strings.Contains(got[1], "has ended") {
		t.Errorf("the test was told %q", got)
	}
}

// recorder is a test that notes its errors.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper()        {}
func (r *recorder) Cleanup(func()) {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said)
}
