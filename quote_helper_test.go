package fedihook_test

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/inbox/inboxtest"
)

// quotable is a policy that lets some quote at once and others after asking.
func quotable(automatic, manual activity.Audience) activity.Policy {
	return activity.Policy{CanQuote: &activity.Rule{Automatic: automatic, Manual: manual}}
}

// post has alice write something with a policy.
func (v *fediverse) post(t *testing.T, p activity.Policy, to ...string) string {
	t.Helper()
	o := &activity.Object{Content: "<p>hello</p>", To: activity.To(to...)}
	if p != (activity.Policy{}) {
		o.InteractionPolicy = p.Ref()
	}
	id, err := v.Publish(t.Context(), "alice", o)
	if err != nil {
		t.Fatal(err)
	}
	v.settle()
	return id
}

// settle waits until nothing is under way any more.
func (v *fediverse) settle() {
	for range 4 {
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// doc is what a stranger gets under an id.
func (v *fediverse) doc(t *testing.T, id string) (int, activity.Document) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", activity.ContentType)
	client := v.net.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := activity.Decode(raw); err == nil {
		return resp.StatusCode, doc
	}
	return resp.StatusCode, nil
}

// quotes is a note of somebody else's that quotes, served but not sent.
func quotes(by *inboxtest.Actor, quoted string) *activity.Object {
	o := by.Note("<p>look</p>")
	o.SetQuote(quoted)
	by.Server().Put(o)
	return o
}

// asks sends a QuoteRequest and returns what it was answered with, nil if nothing came.
func (v *fediverse) asks(t *testing.T, by *inboxtest.Actor, note *activity.Object, quoted string, change func(*activity.Activity)) *activity.Activity {
	t.Helper()
	request := activity.QuoteRequest("", note, &activity.Object{ID: quoted, AttributedTo: activity.Refs{activity.IRI(alice)}})
	request.Actor = activity.IRI(by.ID())
	if change != nil {
		change(request)
	}
	before := len(by.Server().Received("Accept")) + len(by.Server().Received("Reject"))
	if status := by.Send(request, alice); status != http.StatusAccepted {
		t.Fatalf("the QuoteRequest was answered %d", status)
	}
	v.settle()
	got := append(by.Server().Received("Accept"), by.Server().Received("Reject")...)
	if len(got) == before {
		return nil
	}
	for _, d := range slices.Backward(got) {
		if inner, err := d.Activity.Object[0].Document(); err == nil && inner.Is("QuoteRequest") {
			return d.Activity
		}
	}
	return nil
}
