package fedihook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
)

// Mastodon before 4.5.3 answered 403 for a private post and 404 for none, so that everyone could tell which there are.
func TestGHSA_gwhw_gcjx_72v8_APrivatePostLooksLikeNone(t *testing.T) {
	t.Parallel()
	for _, fetch := range []actor.AuthorizedFetch{actor.FetchOpen, actor.FetchSigned, actor.FetchSignedActors} {
		s := newSites(t, func(_ string, c *fedihook.Config) { c.AuthorizedFetch = fetch }, "a.test", "b.test")
		a, b := s[0], s[1]
		b.follow("bob", a, "alice")
		private, err := a.Publish(t.Context(), "alice", note(activity.Followers))
		if err != nil {
			t.Fatal(err)
		}
		b.waitFor("Create", private)
		if status, body, _ := a.get(private, activity.ContentType, b, "bob"); status != 200 {
			t.Fatalf("%d: whom it is for gets %d %s", fetch, status, body)
		}
		b.get(b.id("carol"), activity.ContentType, nil, "") // has a key made
		none := a.origin + "/ap/objects/none"
		for _, as := range []string{"", "carol", "nobody"} { // nobody's key is not to be had
			for _, accept := range []string{activity.ContentType, "text/html"} {
				status, body, header := a.get(private, accept, b, as)
				want, wantBody, wantHeader := a.get(none, accept, b, as)
				if status != 404 || status != want || body != wantBody {
					t.Errorf("%d, as %q: a private post is %d %q, none %d %q", fetch, as, status, body, want, wantBody)
				}
				header.Del("Date")
				wantHeader.Del("Date")
				if got, want := headerText(header), headerText(wantHeader); got != want {
					t.Errorf("%d, as %q: the header of a private post is\n%s, of none\n%s", fetch, as, got, want)
				}
			}
		}
	}
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b) // to a Builder
	return b.String()
}

// Mastodon kept one signer's view of a collection in a cache that served everybody.
func TestGHSA_ccpr_m53r_mfwr_WhatOneSignerSeesIsKeptForNobody(t *testing.T) {
	t.Parallel()
	app := new(app)
	s := newSites(t, func(host string, c *fedihook.Config) {
		if host == "a.test" {
			c.Object = app.object
		}
	}, "a.test", "b.test")
	a, b := s[0], s[1]
	app.friend.Store(b.id("carol"))
	b.get(b.id("carol"), activity.ContentType, nil, "") // has a key made
	b.get(b.id("bob"), activity.ContentType, nil, "")
	for _, last := range []string{"open", "partial"} {
		if _, err := a.Publish(t.Context(), "alice", &activity.Object{ID: a.origin + "/ap/objects/" + last, Content: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	outbox := a.id("alice") + "/outbox?page=true"
	a.until("both are in the outbox", func() bool {
		_, body, _ := a.get(outbox, activity.ContentType, nil, "")
		return strings.Contains(body, "/open") && strings.Contains(body, "/partial")
	})
	const secret = "for friends"
	for range 2 { // the second time there may be something kept
		for _, url := range []string{outbox, a.origin + "/ap/objects/partial"} {
			tags := map[string]string{}
			for _, as := range []string{"carol", "bob", ""} {
				status, body, header := a.get(url, activity.ContentType, b, as)
				if status != 200 || strings.Contains(body, secret) != (as == "carol") {
					t.Errorf("%s as %q: %d %s", url, as, status, body)
				}
				if header.Get("Cache-Control") != "private, no-store" || !strings.Contains(header.Get("Vary"), "Signature") {
					t.Errorf("%s as %q: %v", url, as, header)
				}
				tags[as] = header.Get("ETag")
			}
			if tags["carol"] == tags[""] || tags["bob"] != tags[""] {
				t.Errorf("%s: the ETags are %q", url, tags)
			}
		}
	}
}
