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
	"github.com/fedihook/fedihook/moderation"
	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/storage"
)

// fakeForwarder notes for whom something was forwarded. Here/N/followers are the followers of here/N.
type fakeForwarder struct {
	mu    sync.Mutex
	whose []string
}

func (*fakeForwarder) FollowersOf(_ context.Context, id string) (string, error) {
	local, ok := strings.CutSuffix(id, "/followers")
	if !ok {
		return "", nil
	}
	return local, nil
}

func (*fakeForwarder) Author(_ context.Context, id string) (string, error) {
	if id == here+"/ap/objects/1" {
		return alice, nil
	}
	return "", nil
}

func (f *fakeForwarder) Forward(_ context.Context, local string, _ *inbox.Message, _ []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whose = append(f.whose, local)
	return nil
}

// answer is bob's reply to alice's post, for everyone, proved by him, and mentioning locky.
func answer(by string, cc ...string) string {
	host, _ := activity.Authority(by)
	reply := object{
		"id": "https://" + host + "/n/1", "type": "Note", "attributedTo": by, "content": "well", "inReplyTo": here + "/ap/objects/1",
		"to": activity.Public, "cc": cc, "tag": object{"type": "Mention", "href": locky},
	}
	return act("Create", "https://"+host+"/a/1", by, reply, "to", activity.Public, "cc", cc)
}

// withProof is a document that has one: whether it holds is for Config.Proof to say.
func withProof(document string) string {
	return strings.Replace(document, "{", `{"proof":{"type":"DataIntegrityProof"},`, 1)
}

func TestWhatIsForwardedForWhom(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("%s/ap/users/%d/followers", here, i))
	}
	rule := func(about, local string, severity moderation.Severity) moderation.Rule {
		return moderation.Rule{Key: moderation.Key{About: about, Local: local}, Severity: severity}
	}
	for _, c := range []struct {
		name, from, body string
		proved           bool
		rules            []moderation.Rule
		want             int
	}{
		{name: "a reply", from: bob, body: withProof(answer(bob)), proved: true, want: 1},
		{name: "one that proves nothing to others", from: bob, body: answer(bob)},
		{name: "one whose proof does not hold", from: bob, body: withProof(answer(bob))},
		{name: "one that a group on its author's server announced, and that proves nothing to others", from: cats, body: announcing(1, cats, answer(carol))},
		{name: "one by who is limited", from: bob, body: withProof(answer(bob)), proved: true, rules: []moderation.Rule{rule(bob, "", moderation.Limit)}},
		{name: "one by whom alice has blocked, which mentions locky", from: bob, body: withProof(answer(bob)), proved: true, rules: []moderation.Rule{rule(bob, alice, moderation.Suspend)}},
		{name: "one by whom locky has blocked", from: bob, body: withProof(answer(bob)), proved: true, rules: []moderation.Rule{rule(bob, locky, moderation.Suspend)}, want: 1},
		{name: "one for the followers of fifty", from: bob, body: withProof(answer(bob, many...)), proved: true, want: 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			forwarder := &fakeForwarder{}
			_, knows := inGroups(&got)
			b := newBench(t, func(conf *inbox.Config) {
				knows(conf)
				conf.Forwarder = forwarder
				conf.Policy = &moderation.Policy{Rules: storage.Memory().Rules}
				if err := conf.Policy.Put(t.Context(), c.rules...); err != nil {
					t.Fatal(err)
				}
				conf.Proof = func(_ context.Context, doc []byte) (string, error) {
					var a struct{ Actor string }
					if err := json.Unmarshal(doc, &a); err != nil || !c.proved {
						return "", signature.ErrUnsigned
					}
					return a.Actor, nil
				}
			})
			if status := b.post(c.from, c.body); status != http.StatusAccepted {
				t.Fatalf("status %d", status)
			}
			b.run()
			if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "Create Create") }) {
				t.Errorf("hooks got %q", got)
			}
			if len(forwarder.whose) != c.want {
				t.Errorf("forwarded for %q, want %d", forwarder.whose, c.want)
			}
		})
	}
}
