package threadslike

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func finger(t *testing.T, w *world, host, resource string) (int, object) {
	t.Helper()
	status, _, doc := w.get("https://"+host+"/.well-known/webfinger?resource="+resource, false)
	return status, doc
}

func TestHandlesAreAtThreadsNetAndThreadsComIsForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if got := w.frank.Handle(); got != "@frank@threads.net" {
		t.Errorf("handle %s", got)
	}
	for _, host := range []string{"threads.com", "www.threads.com"} {
		if status, _ := finger(t, w, host, "acct:frank@threads.net"); status != http.StatusNotFound {
			t.Errorf("WebFinger at %s: %d", host, status)
		}
		if status, header, _ := w.get("https://"+host+"/@frank", true); status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			t.Errorf("the page at %s: %d", host, status)
		}
		if status, _, _ := w.get(strings.Replace(w.frank.ID(), "threads.net", host, 1), true); status != http.StatusNotFound {
			t.Errorf("the actor at %s: %d", host, status)
		}
	}
	if status, _ := finger(t, w, "threads.net", "acct:frank@threads.com"); status != http.StatusNotFound {
		t.Errorf("WebFinger for a handle at threads.com: %d", status)
	}
}

func TestWebFingerKnowsTheHandlesOfThoseWhoShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	status, doc := finger(t, w, "threads.net", "acct:frank@threads.net")
	if status != http.StatusOK || doc["subject"] != "acct:frank@threads.net" {
		t.Fatalf("%d %v", status, doc)
	}
	found := map[string]string{}
	for _, l := range doc["links"].([]any) {
		found[text(l.(object), "rel")+" "+text(l.(object), "type")] = text(l.(object), "href")
	}
	if found["self application/activity+json"] != w.frank.ID() || found["http://webfinger.net/rel/profile-page text/html"] != "https://www.threads.net/@frank" {
		t.Errorf("links %v", found)
	}
	for _, u := range []User{{Handle: "shy"}, {Handle: "private", Sharing: true, Private: true}, {Handle: "young", Sharing: true, Minor: true}} {
		u.Key = theKey()
		a, err := w.AddUser(u)
		if err != nil {
			t.Fatal(err)
		}
		if status, doc := finger(t, w, "threads.net", "acct:"+u.Handle+"@threads.net"); status != http.StatusNotFound || doc["success"] != false || doc["error"] != "Not found" {
			t.Errorf("WebFinger for %s: %d %v", u.Handle, status, doc)
		}
		if status, _, _ := w.get(a.ID(), true); status != http.StatusNotFound {
			t.Errorf("%s: %d", u.Handle, status)
		}
	}
	for _, resource := range []string{w.frank.ID(), "https://www.threads.net/@frank", "acct:nobody@threads.net", ""} {
		if status, _ := finger(t, w, "threads.net", resource); status != http.StatusNotFound {
			t.Errorf("WebFinger for %q: %d", resource, status)
		}
	}
}

func TestIDsEndInASlash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if !regexp.MustCompile(`^https://threads\.net/ap/users/\d{17}/$`).MatchString(w.frank.ID()) {
		t.Errorf("id %s", w.frank.ID())
	}
	if status, _, _ := w.get(strings.TrimSuffix(w.frank.ID(), "/"), true); status != http.StatusNotFound {
		t.Errorf("without the slash: %d", status)
	}
	old, err := w.AddUser(User{Handle: "early", Sharing: true, Old: true, Key: theKey()})
	if err != nil || old.ID() != "https://www.threads.net/ap/users/early/" {
		t.Fatalf("an id of 2023: %v, %v", old, err)
	}
	if status, _, doc := w.get(old.ID(), true); status != http.StatusOK || doc["id"] != old.ID() {
		t.Errorf("an id of 2023: %d %v", status, doc)
	}
	status, doc := finger(t, w, "www.threads.net", "acct:early@www.threads.net")
	if status != http.StatusOK || doc["subject"] != "acct:early@threads.net" {
		t.Errorf("WebFinger at www.: %d %v", status, doc)
	}
}

func TestAddressesLieUnderTheActor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, _, doc := w.get(w.frank.ID(), true)
	for _, name := range []string{"inbox", "outbox", "followers", "following"} {
		if doc[name] != w.frank.ID()+name+"/" {
			t.Errorf("%s: %v", name, doc[name])
		}
	}
	key, _ := doc["publicKey"].(object)
	endpoints, _ := doc["endpoints"].(object)
	if key["id"] != w.frank.ID()+"#main-key" || key["owner"] != w.frank.ID() || endpoints["sharedInbox"] != "https://threads.net/ap/inbox/" {
		t.Errorf("publicKey %v, endpoints %v", key, endpoints)
	}
	if doc["url"] != "https://www.threads.net/@frank" {
		t.Errorf("url %v", doc["url"])
	}
	for _, inbox := range []string{w.frank.ID() + "inbox/", "https://threads.net/ap/inbox/"} {
		if status, _ := w.postTo(inbox, w.ada.says("Move", w.ada.id), nil); status != http.StatusOK {
			t.Errorf("%s: %d", inbox, status)
		}
		if status, _ := w.postTo(strings.TrimSuffix(inbox, "/"), w.ada.says("Move", w.ada.id), nil); status != http.StatusNotFound {
			t.Errorf("%s without its slash: %d", inbox, status)
		}
	}
}

func TestOutboxesAreNotPublicAndFollowersAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	if status, _, _ := w.get(w.frank.ID()+"outbox/", true); status != http.StatusNotFound {
		t.Errorf("outbox: %d", status)
	}
	status, _, doc := w.get(w.frank.ID()+"followers/", true)
	if status != http.StatusOK || doc["totalItems"] != 1.0 || doc["orderedItems"] != nil || doc["first"] != nil {
		t.Errorf("followers: %d %v", status, doc)
	}
}

func TestAPostLinksToTheAppFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	post := w.frank.Post(Draft{Text: "a < b"})
	w.pass(time.Hour)
	create := w.deliver("Create").activity
	note := create["object"].(object)
	links, _ := note["url"].([]any)
	if len(links) != 2 || !strings.HasPrefix(text(links[0].(object), "href"), "threads://") || text(links[0].(object), "mediaType") != "application/x-threads" ||
		text(links[1].(object), "href") != post.PageURL() || text(links[1].(object), "mediaType") != "text/html" {
		t.Errorf("url %v", links)
	}
	if !strings.HasPrefix(post.PageURL(), "https://www.threads.net/@frank/post/") {
		t.Errorf("page %s", post.PageURL())
	}
	if note["published"] != "2026-06-04T12:00:00+0000" || create["published"] != note["published"] {
		t.Errorf("published %v, %v", create["published"], note["published"])
	}
	if list(note, "to")[0] != "as:Public" || list(create, "to")[0] != "as:Public" || note["content"] != "<p>a &lt; b</p>" {
		t.Errorf("note %v", note)
	}
}

func TestPicturesExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	picture := func() string {
		_, _, doc := w.get(w.frank.ID(), true)
		return text(doc["icon"].(object), "url")
	}
	first := picture()
	if !strings.HasPrefix(first, "https://scontent.cdninstagram.com/") {
		t.Fatalf("picture %s", first)
	}
	get := func(address string) int { status, _, _ := w.get(address, false); return status }
	if get(first) != http.StatusOK || get(strings.Replace(first, "frank", "else", 1)) != http.StatusForbidden || get("https://scontent.cdninstagram.com/v/x") != http.StatusForbidden {
		t.Error("a good address is refused or a bad one is taken")
	}
	w.pass(25 * time.Hour)
	if get(first) != http.StatusForbidden || get(picture()) != http.StatusOK {
		t.Error("the old address is good, or a new one is not")
	}
	w.follow()
	w.frank.Post(Draft{Picture: true})
	w.pass(time.Hour)
	note := w.deliver("Create").activity["object"].(object)
	attached, _ := note["attachment"].([]any)
	if len(attached) != 1 || get(text(attached[0].(object), "url")) != http.StatusOK {
		t.Errorf("attachment %v", attached)
	}
}

func TestAQuoteIsSaidInThreeWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.follow()
	quoted := "https://elsewhere.example/post"
	w.frank.Post(Draft{Text: "look", Quote: quoted})
	w.pass(time.Hour)
	note := w.deliver("Create").activity["object"].(object)
	tag, _ := note["tag"].([]any)
	if note["_misskey_quote"] != quoted || len(tag) != 1 || !strings.Contains(text(note, "content"), "RE: <a href=\""+quoted) {
		t.Fatalf("note %v", note)
	}
	link := tag[0].(object)
	if link["type"] != "Link" || link["href"] != quoted || link["rel"] != "https://misskey-hub.net/ns#_misskey_quote" || !strings.HasPrefix(text(link, "mediaType"), "application/ld+json;") {
		t.Errorf("FEP-e232 link %v", link)
	}
	if note["quote"] != nil || note["quoteUrl"] != nil {
		t.Error("said in ways that Threads does not document")
	}
}

func TestThereIsNoNodeInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/.well-known/nodeinfo", "/.well-known/host-meta", "/nodeinfo/2.0", "/", "/api/v1/instance"} {
		if status, _, _ := w.get("https://threads.net"+path, false); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}
