package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/signature"
)

// path is the part of an id that a request line names.
func path(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return "/"
	}
	return u.RequestURI()
}

// answer is what a GET brought.
type answer struct {
	status int
	raw    []byte
	body   map[string]any
}

// text reads a string out of nested members.
func (a answer) text(names ...string) string {
	var v any = a.body
	for _, name := range names {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

func (a answer) number(name string) float64 {
	n, ok := a.body[name].(float64)
	if !ok {
		return -1
	}
	return n
}

// request makes a request as it would come to s over the network.
func (w *world) request(s *site, method, target string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(w.ctx, method, "http://"+s.address+target, bytes.NewReader(body))
	if err != nil {
		panic(err) // the addresses are ours
	}
	r.Host = s.host
	if body != nil {
		r.Header.Set("Content-Type", activity.ContentType)
	}
	return r
}

// do sends r past all guards, as an attacker would.
func (w *world) do(r *http.Request) answer {
	client := &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{body: map[string]any{"error": err.Error()}}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if a.raw, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return answer{body: map[string]any{"error": err.Error()}}
	}
	if json.Unmarshal(a.raw, &a.body) != nil {
		a.body = nil // a page
	}
	return a
}

// get fetches target from s, signed as an actor if one is named.
func (w *world) get(s *site, target, accept, as string) answer {
	r := w.request(s, http.MethodGet, target, nil)
	r.Header.Set("Accept", accept)
	if as != "" {
		if err := w.sign(r, nil, as); err != nil {
			return answer{body: map[string]any{"error": err.Error()}}
		}
	}
	return w.do(r)
}

// sign signs r with the key of a local actor of either server.
func (w *world) sign(r *http.Request, body []byte, as string) error {
	s := w.a
	if strings.HasPrefix(as, w.b.origin) {
		s = w.b
	}
	keys := actor.Keyring{Store: s.storage.Keys, Names: actor.Names{Origin: s.origin}}
	key, err := keys.Private(w.ctx, as)
	if err != nil {
		return err
	}
	return signature.Sign(r, body, key, signature.Cavage)
}

// note is a Create as an attacker writes it.
func note(author, id, text string) []byte {
	object := &activity.Object{
		ID: id, Type: activity.Types{"Note"}, AttributedTo: activity.Refs{activity.IRI(author)}, Content: text,
		To: activity.To(activity.Public), Published: time.Now().UTC().Truncate(time.Second),
	}
	body, err := activity.Encode(&activity.Activity{
		ID: id + "/create", Type: activity.Types{"Create"}, Actor: activity.IRI(author),
		Object: activity.Refs{activity.Embed(object)}, To: object.To,
	})
	if err != nil {
		panic(err) // the text is ours
	}
	return body
}

// clone is the same request once more, with another body if one is given.
func (w *world) clone(s *site, r *http.Request, target string, body []byte) *http.Request {
	again := w.request(s, r.Method, target, body)
	again.Header = r.Header.Clone()
	return again
}

func (w *world) liars() error {
	w.begin("liars are refused, each with the status that tells why")
	inbox := "/ap/users/bob/inbox"
	lie := func(n int) (id string, body []byte) {
		id = fmt.Sprintf("%s/lies/%d", w.alice, n)
		return id, note(w.alice, id, "<p>I never said this</p>")
	}
	w.get(w.a, "/ap/users/mallory", activity.ContentType, "") // has a key made

	_, body := lie(1)
	w.check(w.do(w.request(w.b, http.MethodPost, inbox, body)).status == 401, "an unsigned post is 401")

	// The key id is alice's, the key is mallory's.
	_, body = lie(2)
	r := w.request(w.b, http.MethodPost, inbox, body)
	if err := w.sign(r, body, w.mallory); err != nil {
		return err
	}
	r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), w.mallory, w.alice, 1))
	got := w.do(r)
	w.check(got.status == 401, "a forged signature is 401", got.status)

	// What alice really said, with other words; her server sent these very headers before.
	_, body = lie(3)
	genuine := w.request(w.b, http.MethodPost, inbox, body)
	if err := w.sign(genuine, body, w.alice); err != nil {
		return err
	}
	got = w.do(genuine)
	w.check(got.status == 202, "what she signs herself is 202", got.status)
	changedID, changed := lie(4)
	got = w.do(w.clone(w.b, genuine, inbox, changed))
	w.check(got.status == 401, "a changed body is 401", got.status)

	// The same bytes elsewhere.
	otherID, other := lie(5)
	r = w.request(w.a, http.MethodPost, inbox, other)
	if err := w.sign(r, other, w.alice); err != nil {
		return err
	}
	got = w.do(w.clone(w.b, r, inbox, other))
	w.check(got.status == 401, "the same bytes at another host are 401", got.status)
	r = w.request(w.b, http.MethodPost, "/ap/inbox", other)
	if err := w.sign(r, other, w.alice); err != nil {
		return err
	}
	got = w.do(w.clone(w.b, r, inbox, other))
	w.check(got.status == 401, "the same bytes at another path are 401", got.status)

	// Truly signed by mallory, said to be alice's.
	nameID, inHerName := lie(6)
	r = w.request(w.b, http.MethodPost, inbox, inHerName)
	if err := w.sign(r, inHerName, w.mallory); err != nil {
		return err
	}
	got = w.do(r)
	w.check(got.status == 202, "a post that somebody else brings is left to her server to prove", got.status)
	follow := fmt.Appendf(nil, `{"type":"Follow","actor":%q,"object":%q}`, w.alice, w.bob)
	r = w.request(w.b, http.MethodPost, inbox, follow)
	if err := w.sign(r, follow, w.mallory); err != nil {
		return err
	}
	got = w.do(r)
	w.check(got.status == 403, "an activity in someone else's name is 403", got.status)

	r = w.request(w.b, http.MethodPost, inbox, []byte(`{"type":"Create","actor":`))
	got = w.do(r)
	w.check(got.status == 400, "half a document is 400", got.status)
	r = w.request(w.b, http.MethodPost, inbox, bytes.Repeat([]byte(" "), 2<<20))
	got = w.do(r)
	w.check(got.status == 413, "two megabytes are 413", got.status)

	third, _ := lie(3)
	w.check(w.until(func() bool { return w.b.timeline(w.ctx, third) != nil }), "what she signed is on bob's timeline")
	for _, id := range []string{changedID, otherID, nameID} {
		if w.b.timeline(w.ctx, id) != nil {
			w.check(false, "no lie is", id)
			return nil
		}
	}
	w.check(w.b.count(w.ctx, `SELECT COUNT(*) FROM timeline WHERE id LIKE '%/lies/%'`) == 1, "no lie is")
	return nil
}

func (w *world) replay() error {
	w.begin("an exact replay changes nothing")
	id := w.alice + "/notes/replayed"
	body := note(w.alice, id, "<p>once</p>")
	r := w.request(w.b, http.MethodPost, "/ap/inbox", body)
	if err := w.sign(r, body, w.alice); err != nil {
		return err
	}
	first := w.do(r)
	w.check(first.status == 202 && w.until(func() bool { return w.b.timeline(w.ctx, id) != nil }), "the first is 202 and arrives", first.status)
	again := w.do(w.clone(w.b, r, "/ap/inbox", body))
	w.check(again.status == 202, "the second is 202", again.status)
	// What comes after it about the same object runs after it.
	body = []byte(strings.NewReplacer(`"Create"`, `"Update"`, "/create", "/update", "once", "edited").Replace(string(body)))
	r = w.request(w.b, http.MethodPost, "/ap/inbox", body)
	if err := w.sign(r, body, w.alice); err != nil {
		return err
	}
	w.do(r)
	edited := w.until(func() bool {
		got := w.b.timeline(w.ctx, id)
		return got != nil && got.object.Content == "<p>edited</p>"
	})
	w.check(edited, "what comes after it arrives")
	heard := w.b.heardOf(w.ctx, "Create", id+"/create")
	w.check(heard == 1, "bob's app heard of it once", heard)
	return nil
}

// showMessage prints headers and, indented, the JSON of a body.
func showMessage(w io.Writer, h http.Header, body []byte) {
	if err := h.Write(w); err != nil {
		return
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	fmt.Fprintf(w, "\n%s\n", body)
}
