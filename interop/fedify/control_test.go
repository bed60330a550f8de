//go:build interop

package fedify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// The two ways in which Fedify signs, by its own names.
const (
	rfc9421 = "rfc9421"
	cavage  = "draft-cavage-http-signatures-12"
)

// state is who the peer is and what it remembers.
type state struct {
	Origin, Actor, Inbox, SharedInbox string
	KeyIDs                            []string
	FirstKnock                        string
	Followers, Following              []string // ids of actors
	Requests                          []string // ids of Follows that wait for an answer
	Posts                             int
}

// event is an activity that the peer has verified and whose listener has run.
type event struct {
	N                         int
	Type, ID, Actor, ObjectID string
	ObjectIDs                 []string
	TargetID, Content         string
	Inbox                     string // whose inbox it came to; empty: the shared one
	Understood                *described
	Activity                  json.RawMessage
}

// described is what Fedify made of an actor or object. Options and what surrounds them only of a poll, what follows only of an actor.
type described struct {
	ID, Type, Name, Summary, Content, URL, Published, Updated string
	AttributedTo, InReplyTo                                   string
	To, CC                                                    []string
	Sensitive                                                 bool
	Mentions, Hashtags                                        []struct{ Href, Name string }
	Attachments                                               []struct{ Type, MediaType, URL, Name string }
	Emojis                                                    []struct{ Name, Icon string }
	Multiple                                                  bool
	Ends                                                      string
	Voters                                                    int
	Options                                                   []option
	Preview                                                   *struct{ Type, Name, Content, URL, AttributedTo string }
	PreferredUsername, Inbox, SharedInbox, Followers          string
	Outbox, Featured, Successor                               string
	Aliases                                                   []string
	Keys, AssertionMethods                                    []struct{ ID, Owner, Algorithm string }
}

// option is one of a poll's.
type option struct {
	Name  string
	Votes int
}

// exchange is an HTTP request that the peer has answered ("in") or made ("out"), and its status.
type exchange struct {
	N                           int
	Direction, Method, URL      string
	Status                      int    // 0: no answer came
	Scheme                      string // rfc9421, cavage or empty: not signed
	Headers                     map[string]string
	Activity, Type, Body, Error string
}

// sent is an activity that the peer has put into its queue.
type sent struct {
	ID         string
	Note       string // of post and reply: the id of what was posted
	Recipients []string
}

// post is what the peer is to say. Zero To means public.
type post struct {
	Content string   `json:"content"`
	To      string   `json:"to,omitempty"`      // public, unlisted, followers or direct
	Mention []string `json:"mention,omitempty"` // ids of actors
	Hashtag []string `json:"hashtag,omitempty"` // without "#"
	Summary string   `json:"summary,omitempty"` // a content warning
	Emoji   []string `json:"emoji,omitempty"`   // without ":"
	Image   string   `json:"image,omitempty"`   // the description of a picture to attach
	Options []string `json:"options,omitempty"` // of a poll
	Quiet   bool     `json:"quiet,omitempty"`   // it is shown, and sent to nobody
	ID      string   `json:"id,omitempty"`      // of reply: what is answered
}

// forgery is a Like of fred's that is signed and then broken.
type forgery struct {
	Inbox  string `json:"inbox"`
	Object string `json:"object"`
	Spec   string `json:"spec"`
	Broken string `json:"broken"`       // nothing, body, both (body and digest), path, actor or old
	At     string `json:"at,omitempty"` // of path: where it goes
	As     string `json:"as,omitempty"` // of actor: in whose name it is
}

func (p *peer) state(t *testing.T) (s state) {
	t.Helper()
	p.must(t, http.MethodGet, "/state", nil, &s)
	return s
}

func (p *peer) events(t *testing.T, after int) (events []event) {
	t.Helper()
	p.must(t, http.MethodGet, "/events?after="+strconv.Itoa(after), nil, &events)
	return events
}

// wait returns the first event of the type from the actor, or fails the test after ten seconds.
func (p *peer) wait(t *testing.T, kind, actor string, after int) event {
	t.Helper()
	var events []event
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		events = p.events(t, after)
		for _, e := range events {
			if e.Type == kind && e.Actor == actor {
				return e
			}
		}
	}
	t.Fatalf("%s had no %s from %s within 10 seconds, but %+v", p.Origin, kind, actor, events)
	return event{}
}

// exchanges are the latest 1,000.
func (p *peer) exchanges(t *testing.T, after int) (exchanges []exchange) {
	t.Helper()
	p.must(t, http.MethodGet, "/exchanges?after="+strconv.Itoa(after), nil, &exchanges)
	return exchanges
}

// lookup finds an actor or object by handle or id, as Fedify does, without a signature.
func (p *peer) lookup(t *testing.T, what string) described {
	t.Helper()
	var answer struct{ Found described }
	p.must(t, http.MethodPost, "/lookup", map[string]any{"id": what}, &answer)
	return answer.Found
}

// lookupSigned is lookup with a signature of fred's. It tells the status of the control API too:
// 404 if Fedify finds nothing.
func (p *peer) lookupSigned(t *testing.T, what string) (described, int) {
	t.Helper()
	var answer struct{ Found described }
	status, _ := p.call(t, http.MethodPost, "/lookup", map[string]any{"id": what, "signed": true}, &answer)
	return answer.Found, status
}

// post publishes, or answers if what has an ID.
func (p *peer) post(t *testing.T, what post) (s sent) {
	t.Helper()
	verb := "/post"
	if what.ID != "" {
		verb = "/reply"
	}
	p.must(t, http.MethodPost, verb, what, &s)
	return s
}

// do makes the peer follow, accept, reject, like, announce, delete or undo what has the id.
func (p *peer) do(t *testing.T, verb, id string) (s sent) {
	t.Helper()
	return p.doWith(t, verb, with{"id": id})
}

// with are the parameters of a verb.
type with map[string]any

// doWith makes the peer do what needs more than an id.
func (p *peer) doWith(t *testing.T, verb string, parameters with) (s sent) {
	t.Helper()
	p.must(t, http.MethodPost, "/"+verb, parameters, &s)
	return s
}

// update replaces the text of a post of fred's.
func (p *peer) update(t *testing.T, id, content string) (s sent) {
	t.Helper()
	p.must(t, http.MethodPost, "/update", map[string]string{"id": id, "content": content}, &s)
	return s
}

// answerFollows says what becomes of the next Follow: accept (as at first), reject, or wait for a verb.
func (p *peer) answerFollows(t *testing.T, mode string) {
	t.Helper()
	p.must(t, http.MethodPost, "/answer", map[string]string{"mode": mode}, nil)
}

// knockFirst makes the peer sign in this way first, until the other side asks for another.
func (p *peer) knockFirst(t *testing.T, spec string) {
	t.Helper()
	p.must(t, http.MethodPost, "/firstknock", map[string]string{"spec": spec}, nil)
}

// drain returns when the peer has sent and handled everything.
func (p *peer) drain(t *testing.T) {
	t.Helper()
	p.must(t, http.MethodPost, "/drain", nil, nil)
}

// forge returns the status with which the inbox answered, and the id of the forged activity.
func (p *peer) forge(t *testing.T, f forgery) (status int, id string) {
	t.Helper()
	var answer struct {
		ID     string
		Status int
	}
	p.must(t, http.MethodPost, "/forge", f, &answer)
	return answer.Status, answer.ID
}

// must calls the control API and fails the test unless it answers 200.
func (p *peer) must(t *testing.T, method, target string, in, out any) {
	t.Helper()
	if status, body := p.call(t, method, target, in, out); status != http.StatusOK {
		t.Fatalf("%s %s of %s: %d %s", method, target, p.Origin, status, body)
	}
}

// call returns what the control API answers; out is filled in if that is 200.
func (p *peer) call(t *testing.T, method, target string, in, out any) (status int, body string) {
	t.Helper()
	var sent io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, p.control+target, sent)
	if err != nil {
		t.Fatal(err)
	}
	answer, status, err := exchangeWith(p.client, request)
	if err != nil {
		t.Fatalf("%s %s of %s: %v", method, target, p.Origin, err)
	}
	if status == http.StatusOK && out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			t.Fatalf("%s %s of %s answers %s: %v", method, target, p.Origin, answer, err)
		}
	}
	return status, string(answer)
}

// exchangeWith does the request and reads at most 16 MiB of the answer.
func exchangeWith(client *http.Client, request *http.Request) (body []byte, status int, err error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	const limit = 16 << 20
	body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && len(body) > limit {
		err = fmt.Errorf("the answer is over %d bytes", limit)
	}
	return body, response.StatusCode, err
}
