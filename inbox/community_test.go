package inbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox"
	"github.com/fedihook/fedihook/signature"
)

const (
	lemmy = "https://lemmy.example"
	cats  = lemmy + "/c/cats" // a group
	carol = lemmy + "/u/carol"
	dave  = "https://dave.example/u/dave" // moderates cats from elsewhere

	ourCats = here + "/ap/users/cats" // a group of ours, which bob moderates
)

// fakeGroups knows two groups, one elsewhere and one here.
type fakeGroups struct {
	mu     sync.Mutex
	shared []string
}

func (*fakeGroups) Group(_ context.Context, id string) (inbox.Group, bool, error) {
	g := inbox.Group{ID: id, Moderators: id + "/moderators", Featured: id + "/featured", Local: id == ourCats}
	return g, id == cats || id == ourCats, nil
}

func (*fakeGroups) Moderates(_ context.Context, g inbox.Group, id string) (bool, error) {
	return g.ID == cats && id == dave || g.ID == ourCats && id == bob, nil
}

func (*fakeGroups) Posted(_ context.Context, objectID, group string) (bool, error) {
	return objectID == here+"/ap/objects/1" && group == cats, nil
}

func (f *fakeGroups) Share(_ context.Context, m *inbox.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shared = append(f.shared, m.Activity.Type.String()+" "+m.ObjectID)
	return nil
}

// inGroups makes an inbox that knows groups, where cats is followed, and hooks note what they get.
func inGroups(got *[]string) (*fakeGroups, func(*inbox.Config)) {
	groups := &fakeGroups{}
	return groups, func(c *inbox.Config) {
		c.Workers = 1
		c.Groups = groups
		c.Wants = nil
		local := c.Local
		c.Local = func(ctx context.Context, id string) (bool, bool, error) {
			if id == ourCats {
				return true, false, nil
			}
			return local(ctx, id)
		}
		note := func(hook string) inbox.Hook {
			return func(_ context.Context, m *inbox.Message) error {
				line := fmt.Sprintf("%s %s by %s, %s", hook, m.Activity.Type, name(m.Sender), m.By)
				if o, ok := m.Object.(*activity.Object); ok {
					line += ", " + o.Content
				}
				if m.Group != "" {
					line += ", in " + name(m.Group)
				}
				*got = append(*got, line)
				return nil
			}
		}
		c.Hooks = inbox.Hooks{
			Create: note("Create"), Update: note("Update"), Delete: note("Delete"), Like: note("Like"), Announce: note("Announce"),
			Undo: note("Undo"), Add: note("Add"), Remove: note("Remove"), Block: note("Block"), Flag: note("Flag"), Other: note("Other"),
			Moderate: note("Moderate"),
		}
	}
}

func name(id string) string { return id[strings.LastIndex(id, "/")+1:] }

// announcing is the Announce of an activity by a group.
func announcing(n int, by, inner string) string {
	host, _ := activity.Authority(by)
	return act("Announce", fmt.Sprintf("https://%s/activities/announce/%d", host, n), by, json.RawMessage(inner), "to", activity.Public, "cc", by+"/followers")
}

func page(id, by, text string) object {
	return object{"id": id, "type": "Page", "attributedTo": by, "name": "A cat", "content": text, "to": []string{cats, activity.Public}, "audience": cats}
}

func TestWhatAGroupAnnouncesIsJudgedAsItsContent(t *testing.T) {
	t.Parallel()
	ofCarol := act("Create", lemmy+"/a/1", carol, page(lemmy+"/post/1", carol, "said"), "audience", cats)
	ofBob := act("Create", there+"/a/1", bob, page(there+"/n/1", bob, "said"), "audience", cats)
	shows := func(id, by string) map[string]string {
		raw, err := json.Marshal(page(id, by, "shown"))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{id: string(raw)}
	}
	nested := ofCarol
	for i := range 10 {
		nested = announcing(100+i, cats, nested)
	}
	for _, c := range []struct {
		name, from, body string
		docs             map[string]string
		proof            error // of the proof in it
		proved           string
		status           int
		want             string
	}{
		{name: "a post from the group's own host", body: ofCarol, want: "Create Create by carol, group, said, in cats"},
		{name: "a post from elsewhere, which its origin shows", body: ofBob, docs: shows(there+"/n/1", bob), want: "Create Create by bob, origin, shown, in cats"},
		{name: "a post from elsewhere that nobody made", body: ofBob},
		{name: "a post from elsewhere of somebody else there", body: ofBob, docs: shows(there+"/n/1", eve)},
		{name: "a post with a proof", body: ofBob, proved: bob, want: "Create Create by bob, proof, said, in cats"},
		{name: "a post with somebody else's proof", body: ofBob, proved: eve, status: http.StatusForbidden},
		{name: "a post with a proof that does not hold", body: ofBob, proof: &signature.Error{Status: http.StatusUnauthorized, Err: signature.ErrBadSignature}, status: http.StatusUnauthorized},
		{name: "a post of the group's own host with a proof that does not hold", proof: &signature.Error{Status: http.StatusUnauthorized, Err: signature.ErrBadSignature},
			body: act("Create", lemmy+"/a/1", carol, page(lemmy+"/post/1", carol, "said"), "proof", object{"type": "DataIntegrityProof"}), status: http.StatusUnauthorized},
		{name: "a post under another host's id", body: act("Create", there+"/a/1", carol, page(lemmy+"/post/1", carol, "said")), status: http.StatusForbidden},
		{name: "an object of another host", body: act("Create", lemmy+"/a/1", carol, page(there+"/n/1", carol, "said")), status: http.StatusForbidden},
		{name: "a post of somebody else's", body: act("Create", lemmy+"/a/1", carol, page(lemmy+"/post/1", lemmy+"/u/kim", "said")), status: http.StatusForbidden},
		{name: "a post of ours", body: act("Create", here+"/ap/activities/1", alice, page(here+"/ap/objects/1", alice, "forged"))},
		{name: "an Announce in an Announce, ten deep", body: nested},
		{name: "a Follow", body: act("Follow", lemmy+"/a/1", carol, alice)},
		{name: "an Accept", body: act("Accept", lemmy+"/a/1", carol, act("Follow", here+"/ap/activities/1", alice, carol))},
		{name: "a Move", body: act("Move", lemmy+"/a/1", carol, carol, "target", mallory)},
		{name: "a Block of one of ours by anybody", body: act("Block", lemmy+"/a/1", carol, alice), want: "Block Block by carol, group, in cats"},
		{name: "a vote", body: act("Like", lemmy+"/a/1", carol, there+"/n/1", "audience", cats), want: "Like Like by carol, group, in cats"},
		{name: "a vote against", body: act("Dislike", lemmy+"/a/1", carol, there+"/n/1", "audience", cats), want: "Other Dislike by carol, group, in cats"},
		{name: "a vote from elsewhere that nobody shows", body: act("Like", there+"/a/1", bob, lemmy+"/post/1", "audience", cats)},
		{name: "a vote from elsewhere that its origin shows", body: act("Like", there+"/a/1", bob, lemmy+"/post/1", "audience", cats),
			docs: map[string]string{there + "/a/1": act("Like", there+"/a/1", bob, lemmy+"/post/1")}, want: "Like Like by bob, origin, in cats"},
		{name: "a vote taken back", body: act("Undo", lemmy+"/a/2", carol, json.RawMessage(act("Like", lemmy+"/a/1", carol, there+"/n/1"))), want: "Undo Undo by carol, group, in cats"},
		{name: "somebody else's vote taken back", body: act("Undo", lemmy+"/a/2", carol, json.RawMessage(act("Like", there+"/a/1", bob, there+"/n/1"))), status: http.StatusForbidden},
		{name: "a report", body: act("Flag", lemmy+"/a/1", carol, there+"/n/1"), want: "Flag Flag by carol, group, in cats"},
		{name: "an author's deletion", body: act("Delete", lemmy+"/a/1", carol, lemmy+"/post/1"), want: "Delete Delete by carol, group, in cats"},
		{name: "a deletion of oneself by who was never heard of", body: act("Delete", lemmy+"/a/1", carol, carol)},
		{name: "a post by who is suspended", body: act("Create", "https://bad.example/a/1", "https://bad.example/u/x", page("https://bad.example/n/1", "https://bad.example/u/x", "said")), docs: shows("https://bad.example/n/1", "https://bad.example/u/x")},
		{name: "an activity of nobody", body: `{"type":"Create","object":"https://lemmy.example/post/1","actor":"mailto:x"}`, want: "Announce Announce by cats, request"},
		{name: "brought by who is no group", from: carol, body: ofBob, docs: shows(there+"/n/1", bob)},
		{name: "brought by who is no group and followed", from: bob, body: ofCarol, want: "Announce Announce by bob, request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			groups, knows := inGroups(&got)
			b := newBench(t, func(conf *inbox.Config) {
				knows(conf)
				conf.Policy = refusing("bad.example")
				conf.Proof = func(_ context.Context, doc []byte) (string, error) {
					switch {
					case string(doc) != c.body: // as it stood in the Announce
						return "", fmt.Errorf("asked of %s", doc)
					case c.proof != nil:
						return "", c.proof
					case c.proved != "":
						return c.proved, nil
					}
					return "", signature.ErrUnsigned
				}
			})
			b.book.followed[cats] = true
			b.peers.docs = c.docs
			from, status := c.from, c.status
			if from == "" {
				from = cats
			}
			if status == 0 {
				status = http.StatusAccepted
			}
			if got := b.post(from, announcing(1, from, c.body)); got != status {
				t.Errorf("status %d, want %d", got, status)
			}
			b.run()
			if strings.Join(got, "; ") != c.want {
				t.Errorf("hooks got %q, want %q", got, c.want)
			}
			if len(groups.shared) != 0 {
				t.Errorf("announced again: %q", groups.shared)
			}
		})
	}
}

func TestAGroupThatNobodyFollowsIsHeardWhereItAnswers(t *testing.T) {
	t.Parallel()
	reply := page(lemmy+"/comment/1", carol, "yes")
	for about, want := range map[string]int{here + "/ap/objects/1": 1, there + "/n/1": 0} {
		var got []string
		_, knows := inGroups(&got)
		b := newBench(t, knows)
		reply["inReplyTo"] = about
		if status := b.post(cats, announcing(1, cats, act("Create", lemmy+"/a/1", carol, reply))); status != http.StatusAccepted {
			t.Errorf("status %d", status)
		}
		b.run()
		if len(got) != want {
			t.Errorf("in reply to %s: %q", about, got)
		}
	}
}

func TestWhatAModeratorDoesInAGroupIsMarked(t *testing.T) {
	t.Parallel()
	post, ours := there+"/n/1", here+"/ap/objects/1"
	for _, c := range []struct {
		name, body string
		want       string
	}{
		{"a post of another host is removed by a moderator", act("Delete", "https://dave.example/a/1", dave, post, "summary", "spam"), "Moderate Delete by dave, group, in cats"},
		{"and by an administrator of the group's host", act("Delete", lemmy+"/a/1", carol, post, "summary", "spam"), "Moderate Delete by carol, group, in cats"},
		{"but by nobody else", act("Delete", there+"/a/1", bob, lemmy+"/post/1", "summary", "spam"), ""},
		{"with a reason of no words", act("Delete", lemmy+"/a/1", carol, lemmy+"/post/1", "summary", ""), "Moderate Delete by carol, group, in cats"},
		{"whose author is known to be another", act("Delete", lemmy+"/a/1", carol, lemmy+"/post/kims"), "Moderate Delete by carol, group, in cats"},
		{"a post of ours that was said there", act("Delete", "https://dave.example/a/1", dave, ours, "summary", "spam"), "Moderate Delete by dave, group, in cats"},
		{"a post of ours that was not", act("Delete", "https://dave.example/a/1", dave, here+"/ap/objects/2", "summary", "spam"), ""},
		{"and put back", act("Undo", "https://dave.example/a/2", dave, json.RawMessage(act("Delete", "https://dave.example/a/1", dave, post, "summary", "spam"))), "Moderate Undo by dave, group, in cats"},
		{"a thread is locked", act("Lock", "https://dave.example/a/1", dave, post), "Moderate Lock by dave, group, in cats"},
		{"by nobody else", act("Lock", there+"/a/1", bob, post), ""},
		{"somebody is banned", act("Block", "https://dave.example/a/1", dave, alice, "target", cats), "Moderate Block by dave, group, in cats"},
		{"by nobody else", act("Block", there+"/a/1", bob, alice, "target", cats), ""},
		{"and let in again", act("Undo", "https://dave.example/a/2", dave, json.RawMessage(act("Block", "https://dave.example/a/1", dave, alice, "target", cats))), "Moderate Undo by dave, group, in cats"},
		{"a moderator is named", act("Add", "https://dave.example/a/1", dave, alice, "target", cats+"/moderators"), "Moderate Add by dave, group, in cats"},
		{"by nobody else", act("Add", there+"/a/1", bob, bob, "target", cats+"/moderators"), ""},
		{"a post is featured no more", act("Remove", "https://dave.example/a/1", dave, post, "target", cats+"/featured"), "Moderate Remove by dave, group, in cats"},
		{"the group is changed", act("Update", "https://dave.example/a/1", dave, object{"id": cats, "type": "Group", "inbox": "https://evil.example/"}), "Moderate Update by dave, group, in cats"},
		{"under an id that is not the moderator's", act("Lock", there+"/a/1", dave, post), "403"},
		{"of two at once", act("Lock", "https://dave.example/a/1", dave, []string{post, ours}), "403"},
		{"in the name of another moderator", act("Undo", "https://dave.example/a/2", dave, json.RawMessage(act("Lock", lemmy+"/a/1", carol, post))), "403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			_, knows := inGroups(&got)
			b := newBench(t, func(conf *inbox.Config) {
				knows(conf)
				conf.Owner = func(_ context.Context, id string) (string, error) {
					return map[string]string{lemmy + "/post/kims": lemmy + "/u/kim", ours: alice, here + "/ap/objects/2": alice}[id], nil
				}
			})
			b.book.followed[cats] = true
			b.peers.docs[cats] = `{"id":"` + cats + `","type":"Group","inbox":"` + cats + `/inbox"}`
			status := b.post(cats, announcing(1, cats, c.body))
			b.run()
			if want := c.want == "403"; want != (status == http.StatusForbidden) {
				t.Errorf("status %d", status)
			}
			if c.want != "403" && strings.Join(got, "; ") != c.want {
				t.Errorf("hooks got %q, want %q", got, c.want)
			}
			for _, line := range b.book.all() {
				if strings.HasPrefix(line, "unfollowed") {
					t.Errorf("a ban from a group: %s", line)
				}
			}
			if c.name == "the group is changed" && !slices.Equal(b.peers.updated, []string{cats}) {
				t.Errorf("updated %q", b.peers.updated)
			}
		})
	}
}

func TestABanFromAGroupEndsNoFollow(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int{"": 1, cats: 0} {
		var got []string
		_, knows := inGroups(&got)
		b := newBench(t, knows)
		var more []any
		if target != "" {
			more = []any{"target", target}
		}
		if status := b.post(bob, act("Block", there+"/a/1", bob, alice, more...)); status != http.StatusAccepted {
			t.Errorf("status %d", status)
		}
		b.run()
		if lines := b.book.all(); len(lines) != want || len(got) != 1 {
			t.Errorf("from %q: %q, hooks %q", target, lines, got)
		}
	}
}

func TestAModeratorOfAGroupHereSpeaksToItDirectly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, as, body, want string
		status               int
	}{
		{"a moderator removes somebody's post", bob, act("Delete", there+"/a/1", bob, lemmy+"/post/1", "summary", "spam", "to", ourCats), "Moderate Delete by bob, request, in cats", 202},
		{"anybody does", carol, act("Delete", lemmy+"/a/1", carol, there+"/n/1", "summary", "spam", "to", ourCats), "", 403},
		{"a moderator does elsewhere", bob, act("Delete", there+"/a/1", bob, lemmy+"/post/1", "summary", "spam", "to", alice), "", 403},
		{"a moderator bans", bob, act("Block", there+"/a/1", bob, carol, "target", ourCats, "to", ourCats), "Moderate Block by bob, request, in cats", 202},
		{"a moderator blocks for itself", bob, act("Block", there+"/a/1", bob, alice), "Block Block by bob, request", 202},
		{"a moderator names another", bob, act("Add", there+"/a/1", bob, carol, "target", ourCats+"/moderators", "to", ourCats), "Moderate Add by bob, request, in cats", 202},
		{"anybody names another", carol, act("Add", lemmy+"/a/1", carol, carol, "target", ourCats+"/moderators", "to", ourCats), "", 403},
		{"the author deletes", carol, act("Delete", lemmy+"/a/1", carol, lemmy+"/post/1", "to", ourCats), "Delete Delete by carol, request", 202},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			groups, knows := inGroups(&got)
			b := newBench(t, knows)
			if status := b.post(c.as, c.body); status != c.status {
				t.Errorf("status %d", status)
			}
			b.run()
			if strings.Join(got, "; ") != c.want {
				t.Errorf("hooks got %q, want %q", got, c.want)
			}
			if len(groups.shared) != len(got) {
				t.Errorf("announced %q", groups.shared)
			}
		})
	}
}
