//go:build interop

package fedify_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedihook/fedihook/interop/blog"
)

// blogWorld is a Fedify server, and the blog of examples/blog behind a proxy that speaks TLS. The program trusts the test's
// authority as it would any other, by what its environment calls the system's certificates.
type blogWorld struct {
	*world
	blog   *blog.Blog
	target atomic.Pointer[url.URL] // where the blog listens, behind the proxy

	Origin, ada string        // ada is the author's id
	desk        *blog.Visitor // ada, signed in
	reader      *blog.Visitor
}

func newBlogWorld(t *testing.T) *blogWorld {
	t.Helper()
	ca := newAuthority(t)
	w := &blogWorld{world: &world{ca: ca, p: startPeer(t, ca)}}
	certificate, err := tls.LoadX509KeyPair(ca.leaf(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.Origin = "https://" + strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1)
	w.ada = w.Origin + "/ap/users/ada"
	peer := strings.TrimPrefix(w.p.Origin, "https://")
	w.blog = &blog.Blog{
		Program: blog.Build(t), Origin: w.Origin,
		Hosts: []string{peer + "=" + strings.Replace(peer, "localhost", "127.0.0.1", 1)},
		Env:   []string{"SSL_CERT_FILE=" + ca.file, "SSL_CERT_DIR=/nonexistent"},
	}
	w.start(t)
	transport := &http.Transport{}
	front := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ReadHeaderTimeout: 5 * time.Second,
		Handler: &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(w.target.Load())
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		}},
	}
	served := make(chan error, 1)
	go func() { served <- front.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		if err := front.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served // http.ErrServerClosed
		transport.CloseIdleConnections()
	})
	client := ca.client(t).Transport
	w.desk, w.reader = blog.NewVisitor(t, w.Origin, client), blog.NewVisitor(t, w.Origin, client)
	w.desk.SignIn(t, "ada", w.blog.Password(t, "ada"))
	return w
}

func (w *blogWorld) start(t *testing.T) {
	t.Helper()
	w.blog.Start(t)
	w.target.Store(&url.URL{Scheme: "http", Host: w.blog.Address})
}

// blogCell is a cell of the blog's table.
type blogCell struct {
	kind, direction, effect string
	test                    func(t *testing.T, w *blogWorld)
	reason                  string
}

// blogCells run in this order. Where the blog stands for ours, its authors and their readers see what there is to see on its pages.
var blogCells = []blogCell{
	{"WebFinger", toFedify, "Fedify finds the author by her handle, with her name, page, key and inboxes", fedifyFindsAda, ""},
	{"lookup", toFedify, "a post is found by its page's address, with its preview, and so is the author", fedifyReadsThePages, ""},
	{"NodeInfo", toFedify, "Fedify's strict reader takes it", fedifyReadsTheBlogsNodeInfo, ""},
	{"collection", toFedify, "Fedify walks the author's outbox: the posts of the folder, newest first", fedifyWalksAdasOutbox, ""},
	{"Follow", toOurs, "fred follows the author, and is on her page", fredFollowsAda, ""},
	{"Accept", toFedify, "fred knows that he follows", fredKnowsThatHeFollows, ""},
	{"Create", toFedify, "an Article with title, text, summary, hashtags, page and a preview Note", adaPublishes, ""},
	{"Create", toFedify, "a draft stays at home until it is published", adaPublishesADraft, ""},
	{"Update of a post", toFedify, "the Article and its preview are replaced", adaEdits, ""},
	{"Delete of a post", toFedify, "a tombstone is in the Delete, and 410 where the post was", adaDeletes, ""},
	{"Create with a reply", toOurs, "it waits, and is shown with handle and picture once it was approved", fredComments, ""},
	{"Create with a reply", toOurs, "one that is for the author alone is no comment", fredWhispers, ""},
	{"Update of a post", toOurs, "a comment that was edited waits again", fredEditsHisComment, ""},
	{"Delete of a post", toOurs, "a comment is gone", fredDeletesHisComment, ""},
	{"Like", toOurs, "it is counted, however often it is sent", fredLikesAdasPost, ""},
	{"Undo of a Like", toOurs, "it is counted no more", fredUnlikesAdasPost, ""},
	{"EmojiReact", toOurs, "it is counted as a like, and no more once it was taken back", fredReactsToAdasPost, ""},
	{"Announce", toOurs, "it is counted as a share", fredSharesAdasPost, ""},
	{"Undo of an Announce", toOurs, "it is counted no more", fredUnsharesAdasPost, ""},
	{"signature", toOurs, "what was tampered with is refused and counted nowhere, by either scheme", theBlogRefusesForgeries, ""},
	{"authorized fetch", toOurs, "a comment is understood though its author's server shows nothing without a signature", fredCommentsFromAGuardedServer, ""},
	{"restart", toFedify, "killed and started again, the blog has its key, its follower and what was on its way", theBlogIsKilled, ""},
	{"Create", toFedify, "posts from before the follow are offered", fredIsOfferedOlderPosts, ""},
	{"Undo of a Follow", toOurs, "fred is on the author's page no more, and hears nothing of her next post", fredUnfollowsAda, ""},
	{"Delete of an actor", toOurs, "who follows and is deleted is on the page no more", fredFollowsAdaAndLeaves, ""},

	{"Follow", toFedify, "", nil, "the blog's authors follow nobody"},
	{"Reject", toFedify, "", nil, "the blog lets everyone in"},
	{"Create with a poll", toFedify, "", nil, "the blog has no polls"},
	{"Create with media", toFedify, "", nil, "pictures in a post are part of its HTML"},
	{"Like", toFedify, "", nil, "the blog's authors like and share nothing elsewhere"},
	{"Update of an actor", toFedify, "", nil, "a name that is changed in authors.yaml is seen by who asks next; nobody is told"},
	{"Move", toFedify, "", nil, "the blog's authors do not move"},
	{"QuoteRequest", toOurs, "", nil, "the blog answers none: nobody there quotes"},
	{"Flag", toOurs, "", nil, "the blog has no moderators' page"},
}

func (c blogCell) name() string {
	return strings.TrimSuffix(c.kind+" "+c.direction+": "+c.effect, ": ")
}

func TestTheBlogAndFedifyFederate(t *testing.T) {
	t.Parallel()
	w, done := newBlogWorld(t), 0
	for _, c := range blogCells {
		if c.reason != "" {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			w.begin(t)
			c.test(t, w)
			if !t.Failed() {
				done++
			}
		})
	}
	t.Logf("%d/%d cells of the blog hold", done, len(blogCells))
	for _, c := range blogCells {
		if c.reason != "" {
			t.Logf("not %s: %s", c.name(), c.reason)
		}
	}
}

func TestTheBlogsTableIsWhole(t *testing.T) {
	t.Parallel()
	var all []cell
	for _, c := range blogCells {
		if !slices.Contains(kinds, c.kind) {
			t.Errorf("%s is no kind", c.kind)
		}
		if (c.test == nil) == (c.reason == "") {
			t.Errorf("%s has a test and a reason, or neither", c.name())
		}
		if slices.ContainsFunc(all, func(d cell) bool { return d.name() == c.name() }) {
			t.Errorf("two cells are %s", c.name())
		}
		all = append(all, cell{kind: c.kind, direction: c.direction, effect: c.effect})
	}
}

// hears returns the first activity of ada's since the cell began that is of this type and about this object, and checks that it
// was taken at once.
func (w *blogWorld) hears(t *testing.T, kind, object string) event {
	t.Helper()
	var found event
	var events []event
	if !eventually(t, func() bool {
		events = w.p.events(t, w.event)
		i := slices.IndexFunc(events, func(e event) bool { return e.Type == kind && e.Actor == w.ada && e.ObjectID == object })
		if i >= 0 {
			found = events[i]
		}
		return i >= 0
	}) {
		t.Fatalf("Fedify's listener had no %s of %s within %v, but %+v", kind, object, patience, events)
	}
	var came []string
	for _, e := range w.p.exchanges(t, w.exchange) {
		if e.Direction == "in" && e.Activity == found.ID {
			came = append(came, fmt.Sprintf("to %s: %d", e.URL, e.Status))
		}
	}
	if len(came) != 1 || !strings.HasSuffix(came[0], ": 202") {
		t.Errorf("%s came to Fedify as %q, not once and with 202", found.ID, came)
	}
	return found
}

// shows waits until a page has each of texts, or has it not where that begins with "!".
func (w *blogWorld) shows(t *testing.T, v *blog.Visitor, path string, texts ...string) {
	t.Helper()
	var page string
	if !eventually(t, func() bool {
		page = v.Page(t, path)
		return !slices.ContainsFunc(texts, func(text string) bool {
			unwanted, not := strings.CutPrefix(text, "!")
			return strings.Contains(page, unwanted) == not
		})
	}) {
		t.Fatalf("%s does not come to show %q:\n%s", path, texts, page)
	}
}

// took waits until Fedify has sent everything, and checks that the blog answered 202 to this activity.
func (w *blogWorld) took(t *testing.T, id string) {
	t.Helper()
	w.p.drain(t)
	sent := slices.DeleteFunc(w.p.exchanges(t, w.exchange), func(e exchange) bool { return e.Direction != "out" || e.Activity != id })
	if len(sent) == 0 || slices.ContainsFunc(sent, func(e exchange) bool { return e.Status != http.StatusAccepted }) {
		t.Errorf("%s was sent to the blog as %+v", id, sent)
	}
}
