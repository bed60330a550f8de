package gtslike

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

var theKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// net is several doubles that reach each other by host.
type net map[string]*Server

func (n net) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s := n[r.URL.Host]
	if s == nil {
		return nil, errors.New("nobody there")
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	s.ServeHTTP(w, in)
	return w.Result(), nil
}

// two makes two instances, here and there.
func two(t *testing.T, old bool) (here, there *Server) {
	t.Helper()
	n := net{}
	for _, host := range []string{"here.example", "there.example"} {
		s, err := New(Config{Origin: "https://" + host, Client: &http.Client{Transport: n}, Old: old, Key: theKey()})
		if err != nil {
			t.Fatal(err)
		}
		n[host] = s
	}
	return n["here.example"], n["there.example"]
}

// post signs and posts an activity to to as from, and returns the status.
func post(t *testing.T, from, to *Server, a object, change func(r *http.Request)) int {
	t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, to.ID()+"/inbox", bytes.NewReader(body))
	r.Header.Set("Content-Type", activityJSON)
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := sign(r, body, from.keyID(), from.c.Key); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	to.ServeHTTP(w, r)
	return w.Code
}

func TestEveryRequestMustBeSigned(t *testing.T) {
	t.Parallel()
	here, there := two(t, false)
	id := there.Post("<p>hello</p>", nil)
	if doc, err := here.Fetch(t.Context(), id); err != nil || doc["content"] != "<p>hello</p>" {
		t.Errorf("signed: %v, %v", doc, err)
	}
	w := httptest.NewRecorder()
	there.ServeHTTP(w, httptest.NewRequest(http.MethodGet, id, nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("an unsigned GET is %d", w.Code)
	}
	like := func() object {
		return object{"id": here.ID() + "/likes/1", "type": "Like", "actor": here.ID(), "object": id}
	}
	for name, c := range map[string]struct {
		change func(r *http.Request)
		a      object
		want   int
	}{
		"as it should be":   {nil, like(), http.StatusAccepted},
		"unsigned":          {func(r *http.Request) { r.Header.Del("Signature") }, like(), http.StatusUnauthorized},
		"of another digest": {func(r *http.Request) { r.Header.Set("Digest", "SHA-256=AAAA") }, like(), http.StatusUnauthorized},
		"with no digest signed": {func(r *http.Request) {
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), " digest", "", 1))
		}, like(), http.StatusUnauthorized},
		"of two hours ago": {func(r *http.Request) {
			r.Header.Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		}, like(), http.StatusUnauthorized},
		"to another path":         {func(r *http.Request) { r.URL.RawQuery = "x" }, like(), http.StatusUnauthorized},
		"in somebody else's name": {nil, object{"id": here.ID() + "/likes/2", "type": "Like", "actor": there.ID(), "object": id}, http.StatusBadRequest},
	} {
		if got := post(t, here, there, c.a, c.change); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if n := len(there.Interactions("Like")); n != 1 {
		t.Errorf("%d Likes count", n)
	}
}

func TestAPolicyIsWrittenAndObeyedInTheWordsOfItsTime(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		here, there := two(t, old)
		rule := func(always, ask []string) Policy {
			return Policy{"Like": {Always: always, Ask: ask}, "Reply": {Always: always, Ask: ask}, "Announce": {Always: always, Ask: ask}}
		}
		for name, c := range map[string]struct {
			policy        Policy
			done, pending bool
		}{
			"none":                    {nil, true, false},
			"everyone":                {rule([]string{Public}, nil), true, false},
			"after asking":            {rule(nil, []string{Public}), false, true},
			"nobody":                  {rule(nil, nil), false, false},
			"who asks is named":       {rule([]string{here.ID()}, []string{Public}), true, false},
			"all, but this one after": {rule([]string{Public}, []string{here.ID()}), false, true},
		} {
			for _, kind := range []string{"Like", "Reply", "Announce"} {
				id := there.Post("<p>hello</p>", c.policy)
				if c.policy != nil {
					doc, _ := json.Marshal(there.docs[path(id)])
					if strings.Contains(string(doc), "automaticApproval") == old || strings.Contains(string(doc), "approvalRequired") != old {
						t.Errorf("%s, old %v: %s", name, old, doc)
					}
				}
				done, pending := len(there.Interactions(kind)), len(there.Pending())
				_, err := here.Interact(t.Context(), kind, id)
				if allowed := c.done || c.pending; (err == nil) != allowed || err != nil && !errors.Is(err, ErrForbidden) {
					t.Errorf("%s, %s, old %v: %v", name, kind, old, err)
				}
				if got := len(there.Interactions(kind)) > done; got != c.done {
					t.Errorf("%s, %s, old %v: counts %v", name, kind, old, got)
				}
				if got := len(there.Pending()) > pending; got != c.pending {
					t.Errorf("%s, %s, old %v: waits %v", name, kind, old, got)
				}
				if asked := len(there.Received(kind+"Request")) > 0; c.pending && asked == old {
					t.Errorf("%s, %s, old %v: asked %v", name, kind, old, asked)
				}
			}
			// Who does not read the policy is refused.
			id := there.Post("<p>hello</p>", c.policy)
			want := http.StatusAccepted
			if !c.done && !c.pending {
				want = http.StatusForbidden
			}
			if got := post(t, here, there, object{"id": here.ID() + "/l/" + name, "type": "Like", "actor": here.ID(), "object": id}, nil); got != want {
				t.Errorf("%s, old %v: a Like is %d", name, old, got)
			}
		}
	}
}

func TestLeaveCountsIfTheStampSaysAllOfIt(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		for name, c := range map[string]struct {
			change func(stamp, accept object)
			want   int
		}{
			"as it should be": {nil, http.StatusAccepted},
			"of another type": {func(stamp, _ object) { stamp["type"] = "Note" }, http.StatusForbidden},
			"for something else": {func(stamp, _ object) {
				stamp["interactingObject"], stamp["object"] = "https://x.example", "https://x.example"
			}, http.StatusForbidden},
			"about another post": {func(stamp, _ object) {
				stamp["interactionTarget"], stamp["target"] = "https://x.example", "https://x.example"
			}, http.StatusForbidden},
			"of somebody else":    {func(stamp, _ object) { stamp["attributedTo"] = "https://there.example/users/eve" }, http.StatusForbidden},
			"of another host":     {func(_, accept object) { accept["result"] = "https://x.example/stamp" }, http.StatusForbidden},
			"for what nobody did": {func(_, accept object) { accept["object"] = "https://here.example/none" }, http.StatusAccepted},
		} {
			here, there := two(t, old)
			id := there.Post("<p>ask me</p>", Policy{"Like": {Ask: []string{Public}}})
			like, err := here.Interact(t.Context(), "Like", id)
			if err != nil || len(there.Pending()) != 1 {
				t.Fatalf("%v, pending %+v", err, there.Pending())
			}
			pending := there.Pending()[0]
			stampID := there.ID() + "/authorizations/1"
			stamp := object{"id": stampID, "type": "LikeAuthorization", "attributedTo": there.ID(), "interactingObject": like, "interactionTarget": id}
			about := pending.Request
			if old {
				stamp["type"], stamp["object"], stamp["target"] = "LikeApproval", like, id
				about = like
			}
			accept := object{"id": there.ID() + "/accepts/1", "type": "Accept", "actor": there.ID(), "object": about, "result": stampID}
			if c.change != nil {
				c.change(stamp, accept)
			}
			there.mu.Lock()
			there.docs[path(stampID)] = stamp
			there.mu.Unlock()
			if got := post(t, there, here, accept, nil); got != c.want {
				t.Errorf("%s, old %v: %d, want %d", name, old, got, c.want)
			}
			done := here.Interactions("Like")
			if counts := len(done) == 1 && done[0].Approval == stampID; counts != (c.change == nil) {
				t.Errorf("%s, old %v: %+v", name, old, done)
			}
		}
	}
}

func TestWhoAsksIsAnswered(t *testing.T) {
	t.Parallel()
	for _, yes := range []bool{true, false} {
		here, there := two(t, false)
		id := there.Post("<p>ask me</p>", Policy{"Reply": {Ask: []string{Public}}})
		reply, err := here.Interact(t.Context(), "Reply", id)
		if err != nil {
			t.Fatal(err)
		}
		if err := there.Answer(context.Background(), reply, yes); err != nil {
			t.Fatal(err)
		}
		if err := there.Answer(t.Context(), reply, yes); err == nil {
			t.Error("what was answered can be answered again")
		}
		if done := here.Interactions("Reply"); len(done) != 1 || done[0].Rejected == yes || (done[0].Approval != "") != yes {
			t.Errorf("%v: %+v", yes, done)
		}
		for end := time.Now().Add(10 * time.Second); yes && len(there.Interactions("Reply")) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if done := there.Interactions("Reply"); yes != (len(done) == 1 && done[0].ID == reply && done[0].Approval != "") {
			t.Errorf("%v: there it is %+v", yes, done)
		}
	}
}
